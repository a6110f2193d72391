"""Where the raw data come from: drawn, CelebA's own files, a person's folder; downloads.

Imports core, jobs, imaging, celeba, drawing, alignment and finding.
"""
