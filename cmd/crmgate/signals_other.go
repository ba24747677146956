//go:build !unix

package main

import "os"

func stopSignals(bool) []os.Signal { return []os.Signal{os.Interrupt} }

func notifyReload(chan<- os.Signal) {}
