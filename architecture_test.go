package crmgate_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const architecture = "docs/architecture.md"

func readArchitecture(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testOnly are packages that only tests import. The picture does not show them.
var testOnly = map[string]bool{"./e2e": true, "./edge/edgetest": true, "./proxy/egress/egresstest": true, "./proxy/proxytest": true, "./storage/enginetest": true, "./storage/storetest": true, "./wasmhost/wasmtest": true}

// In the picture of packages, arrows point down.
func TestPictureOfPackages(t *testing.T) {
	t.Parallel()
	parts := strings.SplitN(readArchitecture(t), "```\n", 3)
	if len(parts) < 3 {
		t.Fatalf("there is no picture in %s", architecture)
	}
	line := map[string]int{}
	for i, text := range strings.Split(parts[1], "\n") {
		for _, name := range strings.Fields(text) {
			name = "./" + name
			if name == "./crmgate" {
				name = "."
			}
			if _, known := arrows[name]; !known {
				t.Errorf("the picture shows %s, which arrows does not list", name)
			}
			line[name] = i
		}
	}
	for from, all := range arrows {
		at, shown := line[from]
		if shown == testOnly[from] {
			t.Errorf("%s: shown in the picture is %v, want %v", from, shown, !shown)
		}
		for _, to := range all {
			if shown && line[to] <= at {
				t.Errorf("%s imports %s: the picture must show %s below it", from, to, to)
			}
		}
	}
}

// A walk names files of the project, each with a function, method or type in it.
func TestWalksThroughTheCode(t *testing.T) {
	t.Parallel()
	steps := regexp.MustCompile(`(?m)^[0-9]+\. .*$`).FindAllString(readArchitecture(t), -1)
	if len(steps) < 20 {
		t.Errorf("only %d steps found", len(steps))
	}
	place := regexp.MustCompile(`\x60([a-z0-9_/]+\.go)\x60 \x60([A-Za-z]+)\x60`) // in backquotes
	for _, step := range steps {
		places := place.FindAllStringSubmatch(step, -1)
		if places == nil {
			t.Errorf("a step without a file and a function: %s", step)
		}
		for _, p := range places {
			file, name := p[1], p[2]
			b, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%v: correct the step in %s: %s", err, architecture, step)
			} else if !regexp.MustCompile(`(?m)^(func|type) (\([^)]*\) )?` + name + `\b`).Match(b) {
				t.Errorf("%s does not declare %s any more: correct the step in %s: %s", file, name, architecture, step)
			}
		}
	}
}
