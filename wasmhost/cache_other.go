//go:build !unix

package wasmhost

import "os"

// openCacheDir creates the folder for compiled modules. It does not check the access control lists.
func openCacheDir(dir string) (string, error) { return dir, os.MkdirAll(dir, 0o700) }
