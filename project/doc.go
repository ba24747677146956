// Package project is what an author of a connector works with: a folder with one connector, its manifest and its vectors.
//
// [New] writes a project from the templates that are embedded in the program, with the SDK of its language. A new project is a complete
// connector for the practice CRM, so that it can run before its author has an account at a CRM. All languages have the same manifest and
// the same vectors: the connectors do the same.
//
// [Develop] serves a project on a local node while its author works on it:
//
//	a file is saved ── build.sh ── copy the connector ── reload the node ── check ── Round
//
// The node reads a folder of its own, because a project has files that are no connectors. It gets a connector only after the build has
// succeeded, and keeps the one before if the new one cannot be loaded.
//
// The package does not install anything: [Language.Missing] says which programs a machine lacks.
package project
