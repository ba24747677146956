package crmgate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/crmgate/crmgate"

// arrows lists the packages of this module that each package imports. A new import needs an entry here, and a reason in the
// commit. docs/architecture.md has a picture of it.
var arrows = map[string][]string{
	".":           {},
	"./limit":     {"."},
	"./manifest":  {"."},
	"./connector": {".", "./manifest"},
	"./storage":   {".", "./storage/audit", "./storage/sealed"},

	"./proxy/identity": {".", "./limit"},
	"./proxy/egress":   {".", "./limit"},
	"./proxy/token":    {".", "./connector", "./limit", "./manifest", "./storage", "./storage/audit"},
	"./proxy/operator": {".", "./proxy/identity", "./storage", "./storage/audit"},
	"./proxy/revoke":   {".", "./connector", "./proxy/token", "./storage", "./storage/audit"},
	"./proxy/settings": {".", "./proxy/identity", "./storage", "./storage/audit"},
	"./proxy/session":  {".", "./connector", "./proxy/identity", "./proxy/revoke", "./proxy/token", "./storage", "./storage/audit"},
	"./proxy/org": {".", "./connector", "./manifest", "./proxy/identity", "./proxy/operator", "./proxy/revoke", "./proxy/token",
		"./storage", "./storage/audit"},
	"./proxy/authflow": {".", "./connector", "./manifest", "./proxy/identity", "./limit", "./proxy/operator", "./proxy/org", "./proxy/revoke",
		"./proxy/session", "./proxy/token", "./storage", "./storage/audit"},
	"./proxy/web":         {},
	"./proxy/practicecrm": {},
	"./proxy": {".", "./connector", "./limit", "./manifest", "./proxy/authflow", "./proxy/identity", "./proxy/operator", "./proxy/org",
		"./proxy/revoke", "./proxy/session", "./proxy/settings", "./proxy/web"},

	"./storage/sealed": {"."},
	"./storage/audit":  {".", "./storage/sealed"},
	"./storage/badger": {".", "./storage"},
	"./wasmhost/meter": {},
	// The JavaScript is text to Go.
	"./wasmhost/quickjs/prelude": {},
	"./wasmhost/quickjs":         {"./wasmhost/quickjs/prelude"},
	"./wasmhost/typescript":      {},
	"./wasmhost/guest":           {"./wasmhost/meter", "./wasmhost/quickjs", "./wasmhost/typescript"}, // typescript for places in the log
	"./wasmhost/process":         {"./wasmhost/guest", "./wasmhost/meter", "./wasmhost/typescript"},
	"./wasmhost/mask":            {},
	"./wasmhost/handles":         {".", "./manifest", "./wasmhost/mask"},
	// A recording has what package guest shows to a guest.
	"./wasmhost/recording": {".", "./wasmhost/guest", "./wasmhost/mask"},
	"./wasmhost": {".", "./connector", "./limit", "./manifest", "./wasmhost/guest", "./wasmhost/handles", "./wasmhost/mask", "./wasmhost/meter",
		"./wasmhost/process", "./wasmhost/quickjs", "./wasmhost/recording", "./wasmhost/typescript"}, // quickjs for the engine, which is compiled as a module is

	"./edge": {".", "./connector", "./limit", "./manifest", "./proxy", "./proxy/authflow", "./proxy/egress", "./proxy/identity", "./proxy/operator",
		"./proxy/org", "./proxy/revoke", "./proxy/session", "./proxy/settings", "./proxy/token", "./storage",
		"./storage/audit", "./storage/badger", "./storage/sealed", "./wasmhost", "./wasmhost/recording"},
	"./project": {".", "./edge", "./manifest", "./proxy/practicecrm", "./storage/sealed", "./wasmhost", "./wasmhost/connectortest", "./wasmhost/recording"}, // sealed for a key ring that is thrown away
	"./cmd/crmgate": {".", "./edge", "./manifest", "./project", "./proxy/identity", "./proxy/operator", "./proxy/practicecrm", "./proxy/revoke",
		"./wasmhost", "./wasmhost/connectortest", "./wasmhost/process", "./wasmhost/recording"}, // wasmhost for what a replay has shown

	// A check of connectors runs the host, and uses the server's HTTP client and the practice CRM.
	"./wasmhost/connectortest": {".", "./manifest", "./proxy/egress", "./proxy/practicecrm", "./wasmhost"},

	// Only tests import these.
	"./e2e":                     {},
	"./proxy/egress/egresstest": {"."},
	"./edge/edgetest":           {".", "./edge", "./proxy/practicecrm", "./wasmhost/process", "./wasmhost/wasmtest"},
	"./storage/enginetest":      {".", "./storage"},
	"./storage/storetest":       {"./storage", "./storage/badger", "./storage/sealed"},
	"./wasmhost/wasmtest":       {},
	"./proxy/proxytest": {".", "./connector", "./manifest", "./proxy/authflow", "./proxy/egress", "./proxy/identity", "./proxy/org",
		"./proxy/practicecrm", "./proxy/revoke", "./proxy/session", "./proxy/settings", "./proxy/token", "./storage", "./storage/badger", "./storage/sealed", "./storage/storetest"},
}

// owners lists the only package that may import each of these modules, so that a module can be replaced in one folder.
var owners = map[string]string{
	"github.com/evanw/esbuild":                            "./wasmhost/typescript",
	"github.com/elastic/go-seccomp-bpf":                   "./wasmhost/process",
	"github.com/landlock-lsm/go-landlock":                 "./wasmhost/process",
	"github.com/KimMachineGun/automemlimit":               "./wasmhost",
	"github.com/dustin/go-humanize":                       "./cmd/crmgate",
	"github.com/fsnotify/fsnotify":                        "./edge",
	"code.dny.dev/ssrf":                                   "./proxy/egress",
	"github.com/aperturerobotics/go-quickjs-wasi-reactor": "./wasmhost/quickjs",
	"github.com/alecthomas/kong":                          "./cmd/crmgate",
	"github.com/dgraph-io/badger":                         "./storage/badger",
	"github.com/golang-jwt/jwt":                           "./proxy/session",
	"github.com/prometheus/client_golang":                 "./proxy",
	"github.com/santhosh-tekuri/jsonschema":               "./wasmhost/connectortest",
	"github.com/tetratelabs/wazero":                       "./wasmhost/guest",
	"github.com/tink-crypto/tink-go":                      "./storage/sealed",
	"github.com/valyala/fasthttp":                         "./proxy",
	"github.com/yuin/goldmark":                            "./proxy/web",
	"golang.org/x/time":                                   "./limit",
	"golang.org/x/oauth2":                                 "./proxy/token",
}

// doIO are the packages of the standard library that the root package must not import, because it does no I/O. It may
// import net/http: the signature of crmgate.Fetch has its types.
var doIO = []string{"io/fs", "net", "os", "os/exec", "path/filepath", "plugin", "syscall"}

type listed struct {
	ImportPath string
	Imports    []string // without those of its tests, which may import any package
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	// -e, because the compiler reports packages that do not build.
	out, err := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func TestArrowsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := "." + strings.TrimPrefix(p.ImportPath, module)
		allowed, known := arrows[name]
		if !known {
			t.Errorf("%s is a new package: add it to arrows, and give the reason in the commit", name)
			continue
		}
		for _, i := range allowed {
			if !slices.Contains(p.Imports, module+strings.TrimPrefix(i, ".")) {
				t.Errorf("%s does not import %s: remove it from arrows", name, i)
			}
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok && !slices.Contains(allowed, "."+ours) {
				t.Errorf("%s imports .%s: remove the import, or add it to arrows and give the reason in the commit", name, ours)
			}
			for owned, owner := range owners {
				if (i == owned || strings.HasPrefix(i, owned+"/")) && name != owner {
					t.Errorf("%s imports %s, which only %s may import", name, i, owner)
				}
			}
			if i == "testing" && !strings.HasSuffix(name, "test") {
				t.Errorf("%s imports testing, which only tests and packages named …test may import", name)
			}
			if name == "." && (strings.Contains(i, ".") || slices.Contains(doIO, i)) {
				t.Errorf("the root package imports %s: it may import only the standard library, and no packages that do I/O", i)
			}
		}
	}
}

// Host and guest share the ABI and its golden vectors, but no code.
func TestServerDoesNotRequireItsGuests(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "connectors-wasm") {
		t.Error("go.mod names connectors-wasm")
	}
}

// A path of one machine does not exist on others.
func TestNoMachinePaths(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if slices.Contains([]string{".git", "bin", "connectors", "data", "demo-data", "node_modules", "testdata"}, e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, "_test.go") || !e.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, p := range []string{"/root/", "/home/"} {
			if bytes.Contains(b, []byte(p)) {
				t.Errorf("%s names %s", path, p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
