"""Docker and Compose: containers, images, and images built from packages."""
