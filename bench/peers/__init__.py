"""What a user would write instead of `aresmon render`: a Jinja2 script and an Ansible playbook."""
