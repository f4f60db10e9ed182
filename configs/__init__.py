"""Every setting with its meaning, and YAML files to settings; the recipes and skeletons. No file of
data or weights is opened here."""
