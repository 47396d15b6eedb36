"""Images that another program restored: matched by name, and scored."""
