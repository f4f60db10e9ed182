"""People in pictures as labels of other tools, which datasets/imports reads back."""
