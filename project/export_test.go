package project

// Print describes the sources of a project.
func Print(p Project) string { return p.print() }
