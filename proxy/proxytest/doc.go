// Package proxytest assembles the flows over a store and the practice CRM, for tests of the packages below proxy. It leaves
// out the front and the sandbox.
//
// A [World] has a real server and a store on Badger, or, from [NewVirtualWorld], neither network nor goroutines of its own, so
// that a test can run in virtual time.
package proxytest
