//go:build !linux

package process

import "syscall"

func keepInherited() {}

func attributes() *syscall.SysProcAttr { return nil }
