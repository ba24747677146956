package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/project"
)

type newCommand struct {
	Name string `arg:"" help:"The name of the connector, in letters and digits, such as acme. It is part of file names, and of each person's id."`
	Lang string `required:"" xor:"code" env:"-" help:"The language." enum:"${languages}" placeholder:"${languages}"`
	Data bool   `required:"" xor:"code" env:"-" help:"Write a connector without code, in place of one in a language: its manifest says what to request."`
	Auth string `env:"-" help:"How people sign in to the CRM: oauth or apiKey (default ${default})." enum:"oauth,apiKey" default:"oauth" placeholder:"TYPE"`
	Dir  string `env:"-" help:"Folder for the files (default ./NAME)." placeholder:"DIR"`
}

// Help is what "crmgate connector new --help" adds.
func (newCommand) Help() string {
	return `The new connector is complete. It signs people in to the practice CRM, and its README.md says how to run it and how to make it yours. No file is overwritten. What the language needs and this machine lacks is listed.`
}

func (c *newCommand) Run(out io.Writer) error {
	l, ok := project.LanguageOf(c.Lang)
	if !ok {
		l = project.Data
	}
	dir := cmp.Or(c.Dir, c.Name)
	files, err := project.New(dir, c.Name, l, manifest.AuthType(c.Auth))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Wrote a connector (%s):\n", l.Title)
	for _, f := range files {
		fmt.Fprintf(out, "  %s\n", f)
	}
	for _, t := range l.Missing() {
		fmt.Fprintf(out, "This machine lacks %s, for %s. On Debian: %s\n", t.Command, t.For, t.Install)
	}
	_, err = fmt.Fprintf(out, "Next: cd %s, and read README.md.\n", quoted(dir))
	return err
}

// quoted is a name as the shell needs it.
func quoted(name string) string {
	if strings.ContainsAny(name, " \t'\"\\$&;()<>|*?[]#~`!") {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return name
}
