// Package project is what an author of a connector works with: a folder with one connector, its manifest and its vectors.
//
// [New] writes a project from the templates that are embedded in the program, with the SDK of its language. A new project is a complete
// connector for the practice CRM, so that it can run before its author has an account at a CRM. All languages have the same manifest and
// the same vectors: the connectors do the same.
//
// The package does not install anything: [Language.Missing] says which programs a machine lacks.
package project
