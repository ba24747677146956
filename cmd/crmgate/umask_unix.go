//go:build unix

package main

import "syscall"

// keepFilesPrivate keeps group and others out of every file that this process makes, also the files of libraries: Badger
// makes its files with all rights that the umask allows.
func keepFilesPrivate() { syscall.Umask(0o077) }
