"""Docker and Compose: containers, images, and images built from packages.

Public: docker.Engine, compose.Compose, containers.Container, images, build.
Imports: config, system.
"""
