"""The web layer: thin blueprints. A view reads the form, calls a flow and renders the answer."""
