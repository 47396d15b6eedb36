"""Ways to show tables and pictures: Markdown pages and a static HTML gallery."""
