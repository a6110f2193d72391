"""The geometry of faces in pictures: transforms, views cut out of a picture, boxes around faces, pictures without any.

What the aligner's training needs of it and nothing else. Imports no other room.
"""
