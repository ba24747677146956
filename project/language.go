package project

import (
	"cmp"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Language is a language that a project can be written in.
type Language struct {
	Name   string // as in a flag
	Title  string
	Ending string // of the file that the server loads: .js, .ts, .wasm, or .json if there is no code
	tools  []Tool
	sdk    string // the folder of the SDK in the archive of SDKs; empty if there is none
}

// Tool is a program that a language needs, beside crmgate.
type Tool struct {
	Command string
	For     string // what it is needed for
	Install string // how to get it on Debian

	has func() bool // whether it is there; nil if the command is enough
}

var linker = Tool{Command: "wasm-ld", For: "linking", Install: "apt-get install lld"}

const rustTarget = "wasm32-unknown-unknown"

// hasRustTarget reports whether the compiler has the standard library for the target.
func hasRustTarget() bool {
	out, err := exec.Command(cmp.Or(os.Getenv("RUSTC"), "rustc"), "--print", "target-libdir", "--target", rustTarget).Output()
	return err == nil && exists(strings.TrimSpace(string(out)))
}

// languages are in the order in which they are offered.
var languages = []Language{
	{Name: "js", Title: "JavaScript", Ending: ".js"},
	{Name: "ts", Title: "TypeScript", Ending: ".ts", sdk: "typescript", tools: []Tool{
		{Command: "npm", For: "checking types; running the connector needs no program", Install: "apt-get install nodejs npm"},
	}},
	{Name: "go", Title: "Go", Ending: ".wasm", sdk: "go", tools: []Tool{
		{Command: "go", For: "building", Install: "apt-get install golang-go, or https://go.dev/dl if that is older than the go line in go.mod"},
	}},
	{Name: "assemblyscript", Title: "AssemblyScript", Ending: ".wasm", sdk: "assemblyscript", tools: []Tool{
		{Command: "npm", For: "building", Install: "apt-get install nodejs npm"},
	}},
	{Name: "c", Title: "C", Ending: ".wasm", sdk: "c", tools: []Tool{
		{Command: "clang", For: "building", Install: "apt-get install clang"}, linker,
	}},
	{Name: "rust", Title: "Rust", Ending: ".wasm", sdk: "rust", tools: []Tool{
		{Command: "rustc with the target " + rustTarget, For: "building", Install: "apt-get install rustc libstd-rust-dev-wasm32, or rustup target add " + rustTarget, has: hasRustTarget}, linker,
	}},
}

// Data is in place of a language for a connector that is its manifest alone.
var Data = Language{Name: "data", Title: "its manifest alone", Ending: ".json"}

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
		_, err := exec.LookPath(t.Command)
		if t.has != nil && !t.has() || t.has == nil && err != nil {
			missing = append(missing, t)
		}
	}
	return missing
}
