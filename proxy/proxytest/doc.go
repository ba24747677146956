// Package proxytest assembles the flows over a real store and a practice CRM, for the tests of the packages below proxy.
// It leaves out the front and the sandbox.
package proxytest
