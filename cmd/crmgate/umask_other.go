//go:build !unix

package main

// keepFilesPrivate does nothing: new files have the access list of their folder.
func keepFilesPrivate() {}
