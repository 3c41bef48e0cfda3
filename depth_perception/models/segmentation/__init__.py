"""Which pixels belong to one object: segmenters of single images, built in or installed by the user."""
