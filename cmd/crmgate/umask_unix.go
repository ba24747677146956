//go:build unix

package main

import "syscall"

// keepFilesPrivate takes the rights of group and others from every file that this process makes, those of libraries
// among them: Badger makes its files with what the umask allows.
func keepFilesPrivate() { syscall.Umask(0o077) }
