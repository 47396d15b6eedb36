"""What people look at: terminal tables, Markdown, the gallery, contact sheets."""
