package project

import (
	"os/exec"
	"slices"
)

// Language is a language that a project can be written in.
type Language struct {
	Name   string // as in a flag
	Title  string
	Ending string // of the file that the server loads: .js, .ts or .wasm
	tools  []Tool
	sdk    string // the folder of the SDK in the archive of SDKs; empty if there is none
}

// Tool is a program that a language needs, beside crmgate.
type Tool struct {
	Command string
	For     string // what it is needed for
	Install string // how to get it on Debian
}

// languages are in the order in which they are offered.
var languages = []Language{
	{Name: "js", Title: "JavaScript", Ending: ".js"},
	{Name: "ts", Title: "TypeScript", Ending: ".ts", sdk: "typescript", tools: []Tool{
		{"npm", "checking types; running the connector needs no program", "apt-get install nodejs npm"},
	}},
	{Name: "go", Title: "Go", Ending: ".wasm", sdk: "go", tools: []Tool{
		{"go", "building", "apt-get install golang-go, or https://go.dev/dl if that is older than the go line in go.mod"},
	}},
}

// Languages returns the names of the languages.
func Languages() (names []string) {
	for _, l := range languages {
		names = append(names, l.Name)
	}
	return names
}

// LanguageOf returns the language of a name.
func LanguageOf(name string) (Language, bool) {
	i := slices.IndexFunc(languages, func(l Language) bool { return l.Name == name })
	if i < 0 {
		return Language{}, false
	}
	return languages[i], true
}

// Missing returns the tools of the language that this machine lacks.
func (l Language) Missing() (missing []Tool) {
	for _, t := range l.tools {
		if _, err := exec.LookPath(t.Command); err != nil {
			missing = append(missing, t)
		}
	}
	return missing
}
