/*
Package edgetest starts nodes for tests. It also provides a clock, a log and the project's connectors.

A package that uses connectors or the program calls Run in its TestMain. Helpers that take a testing.TB end the test if
they fail.
*/
package edgetest
