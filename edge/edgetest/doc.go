/*
Package edgetest starts nodes for tests, and has what tests of other packages need beside them: a clock, a log, the
project's connectors.

A package that uses connectors or the program calls Run in its TestMain. Helpers that take a testing.TB end the test if
they fail.
*/
package edgetest
