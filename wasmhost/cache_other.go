//go:build !unix

package wasmhost

import "os"

// openCacheDir makes the folder for compiled modules. Access lists say who can write it, and they are not checked.
func openCacheDir(dir string) (string, error) { return dir, os.MkdirAll(dir, 0o700) }
