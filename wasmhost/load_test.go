package wasmhost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// Load returns an error that names the wrong file and what was expected.
func TestInvalidFolders(t *testing.T) {
	t.Parallel()
	fine := oauth(answer(`{"successful":false}`, 0))
	without := func(name string) mod {
		m := fine
		m.Funcs = slices.DeleteFunc(slices.Clone(m.Funcs), func(f fn) bool { return f.Name == name })
		return m
	}
	with := func(f ...fn) mod {
		m := fine
		m.Funcs = append(slices.Clone(m.Funcs), f...)
		return m
	}
	importing := func(i imported) mod {
		m := fine
		m.Imports = append(wasmtest.ABI(), i)
		return m
	}
	authType := func(body []byte) mod {
		m := without("getAuthType")
		m.Funcs = append(m.Funcs, export("getAuthType", body))
		return m
	}
	table := func(b ...byte) mod { m := fine; m.Table = b; return m }
	memory := func(pages uint32) mod { m := fine; m.Pages = pages; return m }
	hidden := fine
	hidden.NoMemory = true
	starting := fine
	starting.Start = forever

	for name, c := range map[string]struct {
		wasm     string
		manifest string // of x; default a valid one
		want     []string
	}{
		"empty":                        {"", "", []string{"x.wasm", "not a WebAssembly module"}},
		"text":                         {"hello, world", "", []string{"x.wasm", "not a WebAssembly module"}},
		"component":                    {"\x00asm\x0d\x00\x01\x00", "", []string{"recompile as a core wasip1 module"}},
		"other version":                {"\x00asm\x02\x00\x00\x00", "", []string{"expected 1"}},
		"no sections":                  {"\x00asm\x01\x00\x00\x00", "", []string{"export memory is missing"}},
		"truncated":                    {fine.String()[:300], "", []string{"x.wasm"}},
		"section too long":             {"\x00asm\x01\x00\x00\x00\x01\xff\xff\xff\xff\x0f", "", []string{"the length 4294967295 exceeds"}},
		"too large":                    {strings.Repeat("\x00", 16<<20+1), "", []string{"x.wasm", "at most 16 MB"}},
		"no memory":                    {hidden.String(), "", []string{"export memory is missing"}},
		"no getAuthType":               {without("getAuthType").String(), "", []string{"export getAuthType is missing"}},
		"no getUserInfo":               {without("getUserInfo").String(), "", []string{"export getUserInfo is missing"}},
		"no getOauthInfo":              {without("getOauthInfo").String(), "", []string{"export getOauthInfo is missing", "type oauth"}},
		"wrong signature":              {with(fn{Name: "authValidation", Type: tNothing}).String(), "", []string{"authValidation", "() ->", "expected () -> i32"}},
		"unknown import":               {importing(imported{Module: "crmgate_v1", Name: "exec", Type: tI32}).String(), "", []string{"crmgate_v1.exec, which does not exist", "fetch"}},
		"wrong import":                 {importing(imported{Module: "crmgate_v1", Name: "now", Type: tI32}).String(), "", []string{"crmgate_v1.now", "expected () -> i64"}},
		"other module":                 {importing(imported{Module: "env", Name: "abort", Type: tI32}).String(), "", []string{"env.abort", "crmgate_v1 and wasi_snapshot_preview1 only"}},
		"unknown WASI":                 {importing(imported{Module: "wasi_snapshot_preview1", Name: "fork", Type: tI32}).String(), "", []string{"fork"}},
		"wrong WASI":                   {importing(imported{Module: "wasi_snapshot_preview1", Name: "fd_write", Type: tI32}).String(), "", []string{"fd_write"}},
		"other type":                   {authType(answer(`{"type":"apiKey"}`, 0)).String(), "", []string{`answers "apiKey"`, `"oauth"`}},
		"odd type":                     {authType(answer(`{"type":"magic"}`, 0)).String(), "", []string{"getAuthType", "magic"}},
		"type traps":                   {authType(unreachable).String(), "", []string{"trapped in getAuthType"}},
		"type loops":                   {authType(forever).String(), "", []string{"deadline", "getAuthType"}},
		"start loops":                  {starting.String(), "", []string{"deadline"}},
		"table of gigabytes":           {table(1, 0x70, 0, 0x80, 0xc2, 0xd7, 0x2f).String(), "", []string{"table of 100000000"}},
		"table of odd kind":            {table(1, 0x70, 9, 1).String(), "", []string{"flags 0x9"}},
		"table cut short":              {table(3, 0x70, 0, 1).String(), "", []string{"unexpected end"}},
		"huge function":                {oauth(seq(bytes.Repeat([]byte{0x01}, 140_000), num(2))).String(), "", []string{fmt.Sprint("in function ", fFirst+2), "140004 bytes", "expected at most 131072"}},
		"many loops":                   {oauth(wasmtest.Seq(bytes.Repeat([]byte{0x03, 0x40}, 100), bytes.Repeat([]byte{0x0b}, 100), wasmtest.Num(2))).String(), "", []string{fmt.Sprint("in function ", fFirst+2), "loops are nested more than 64 deep"}},
		"many branches":                {oauth(wasmtest.Seq([]byte{0x02, 0x40}, bytes.Repeat([]byte{0x41, 0, 0x0d, 0}, 30_000), []byte{0x0b}, wasmtest.Num(2))).String(), "", []string{fmt.Sprint("in function ", fFirst+2), "compiling it would take too long"}},
		"odd instruction":              {oauth(seq([]byte{0xfe, 0x03, 0x00}, num(2))).String(), "", []string{"instruction 0xfe", "build without threads"}},
		"sections twice":               {fine.String() + "\x0a\x01\x00", "", []string{"out of order"}},
		"imported memory":              {"\x00asm\x01\x00\x00\x00\x02\x0b\x01\x03env\x01m\x02\x00\x01\x00", "", []string{`"env"."m", which is not a function`}},
		"memory of 4 GiB":              {memory(65536).String(), "", []string{"x.wasm"}},
		"unrevealed refresh token":     {with(export("checkAndRefreshAccessToken", num(2))).String(), "", []string{"checkAndRefreshAccessToken", `"refreshToken" in crmgate.reveal`}},
		"public suffix of people":      {fine.String(), strings.Replace(manifestOf("x", `"hosts": []`), `"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/`, `"environment": {"urlIdentifier": "*.com"}, "auth": {"type": "oauth", "oauth": {"authUrl": "https://{hostname}/`, 1), []string{"manifest of x", "*.com", "public suffix"}},
		"public suffix":                {fine.String(), manifestOf("x", `"hosts": ["*.co.uk"]`), []string{"manifest of x", "*.co.uk", "public suffix"}},
		"bad manifest":                 {fine.String(), `{"platforms": {"x": {"auth": {"type": "magic"}}}}`, []string{"x.json", "platforms.x.auth.type"}},
		"manifest of another platform": {fine.String(), manifestOf("y", ""), []string{"x.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.manifest == "" {
				c.manifest = manifestOf("x", "")
			}
			deadline := time.Minute
			if slices.Contains(c.want, "deadline") {
				deadline = short
			}
			h := newHost(t, wasmhost.Config{Deadline: deadline})
			_, err := loadAll(t, h, folder(t, map[string]string{"x.wasm": c.wasm, "x.json": c.manifest}), "http://p")
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
		})
	}
}

// TestOneModuleStopsOnePlatform: the others are loaded, and the wrong ones have no connector.
func TestOneModuleStopsOnePlatform(t *testing.T) {
	t.Parallel()
	fine := oauth(num(2)).String()
	dir := folder(t, map[string]string{
		"a.wasm": fine, "a.json": manifestOf("a", ""),
		"b.wasm": "nonsense", "b.json": manifestOf("b", ""),
		"c.wasm": fine, "c.json": manifestOf("c", `"hosts": 1`),
		"d.wasm": fine, "d.json": manifestOf("d", `"hosts": ["*.com"]`),
		"e.wasm": fine, "f.json": `{`,
		"h.json":        manifestOf("h", ""),
		"manifest.json": `{"platforms": {"f": {"auth": {"type": "apiKey"}}, "g": {"auth": {"type": "apiKey"}}, "j": {"auth": {"type": "apiKey"}}}}`,
	})
	if err := os.Mkdir(filepath.Join(dir, "g.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"i", "j"} {
		if err := os.Symlink("nowhere", filepath.Join(dir, name+".json")); err != nil { // cannot be read, even by root
			t.Fatal(err)
		}
	}
	h := newHost(t, wasmhost.Config{})
	f, err := h.Load(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Platforms(); !slices.Equal(got, []crmgate.Platform{"a", "h"}) {
		t.Errorf("loaded: got %v", got)
	}
	want := map[crmgate.Platform]string{"b": "b.wasm: ", "c": "c.json: platforms.c.crmgate.hosts", "d": "the manifest of d", "e": "e.wasm has no manifest", "f": "f.json: expected JSON", "g": "g.wasm", "i": "i.json", "j": "j.json"}
	left := f.LeftOut()
	for p, text := range want {
		if left[p] == nil || !strings.Contains(left[p].Error(), text) {
			t.Errorf("%s: got %v, want an error with %q", p, left[p], text)
		}
		if _, err := f.Connector(p); !errors.Is(err, crmgate.ErrNotFound) {
			t.Errorf("%s has a connector: %v", p, err)
		}
		if !strings.Contains(f.Err().Error(), text) {
			t.Errorf("Err has no %q: %v", text, f.Err())
		}
	}
	if len(left) != len(want) {
		t.Errorf("left out: got %v", left)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Load(ended, dir, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a start that was ended: %v", err)
	}
}

func TestIncompleteFolders(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{})
	wasm := oauth(num(2)).String()
	if _, err := h.Load(t.Context(), filepath.Join(t.TempDir(), "nowhere"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := loadAll(t, h, folder(t, map[string]string{"x.wasm": wasm}), ""); err == nil || !strings.Contains(err.Error(), "x.wasm has no manifest") {
		t.Errorf("no manifest: %v", err)
	}
	// A manifest can be in manifest.json. A platform without a module has a manifest only.
	f := load(t, h, map[string]string{"x.wasm": wasm, "manifest.json": manifestOf("x", ""), "only.json": manifestOf("only", "")})
	if got := f.Platforms(); !slices.Equal(got, []crmgate.Platform{"only", "x"}) {
		t.Errorf("Platforms: %v", got)
	}
	if _, ok := f.Manifests().Published("only"); !ok {
		t.Error("a manifest without a module is not published")
	}
	c := mustConnector(t, f, "only")
	if c.Manifest() == nil || c.Implements("getUserInfo") {
		t.Errorf("a platform without a module: %v, %v", c.Manifest(), c.Implements("getUserInfo"))
	}
	_, atAuthType := c.AuthType()
	_, atOAuthInfo := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{})
	_, atUserInfo := c.UserInfo(t.Context(), bearer(""))
	_, atRefresh := c.RefreshAccessToken(t.Context(), connector.RefreshRequest{})
	_, atLicense := c.LicenseStatus(t.Context(), connector.UserRequest{})
	_, atOptions := c.ManagedAuthOptions(t.Context(), connector.ManagedAuthOptionsRequest{})
	for i, err := range []error{atAuthType, atOAuthInfo, atUserInfo, atRefresh, atLicense, atOptions} {
		wantNotFound(t, fmt.Sprint("operation ", i), err, "only")
	}
	_, err := f.Connector("unknown")
	wantNotFound(t, "Connector", err, "unknown")
}

func wantNotFound(t *testing.T, what string, err error, platform string) {
	t.Helper()
	var r *crmgate.Refusal
	if want := "Connector not found for platform: " + platform; !errors.As(err, &r) || !errors.Is(err, crmgate.ErrNotFound) || r.Message != want {
		t.Errorf("%s: got %v, want the refusal %q", what, err, want)
	}
}

// A table without a maximum gets one, so that a guest cannot grow it further.
func TestTablesAreBounded(t *testing.T) {
	t.Parallel()
	// The id of the answer is 1 if the table grew by a hundred million elements, else 0.
	grow := seq([]byte{0xd0, 0x70}, num(100_000_000), []byte{0xfc, 0x0f, 0}, num(0), []byte{0x4e}) // table.grow >= 0
	const shape = `{"successful":true,"platformUserInfo":{"id":"_"}}`
	at := int64(1024 + strings.Index(shape, "_"))
	m := oauth(seq(text(1024, shape), num(at), grow, num('0'), add, []byte{0x3a, 0, 0}, invoke(fOutput, 1024, int64(len(shape))), num(0)))
	m.Table = []byte{1, 0x70, 0, 1}
	f := load(t, newHost(t, wasmhost.Config{}), map[string]string{"x.wasm": m.String(), "x.json": manifestOf("x", "")})
	if u, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil || u.ID != "0" {
		t.Errorf("the table grew: %q, %v", u.ID, err)
	}
}

// A start with a warm cache neither compiles nor runs anything.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, name := range []string{"practice", "practicekey"} {
		b, err := os.ReadFile(filepath.Join("..", "connectors-wasm", name, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		files[name+".json"], files[name+".wasm"] = string(b), string(guest(t, name))
	}
	load(t, newHost(t, wasmhost.Config{}), files)
	ran := false
	began := time.Now()
	h := newHost(t, wasmhost.Config{Observe: func(crmgate.Platform, string, string, time.Duration) { ran = true }})
	f := load(t, h, files)
	t.Logf("two Go connectors, start to ready: %v", time.Since(began))
	if ran {
		t.Error("a guest was called")
	}
	if a, err := mustConnector(t, f, "practicekey").AuthType(); err != nil || a != manifest.APIKey {
		t.Errorf("AuthType: %v, %v", a, err)
	}
}

// A damaged file of the cache is not used, and is written again.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"empty":   func([]byte) []byte { return nil },
		"changed": func(b []byte) []byte { b[len(b)/3] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := wasmhost.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}
			files := map[string]string{"x.wasm": oauth(answer(`{"successful":true,"platformUserInfo":{"id":"7"}}`, 0)).String(), "x.json": manifestOf("x", "")}
			load(t, newHost(t, config), files)
			written := map[string][]byte{}
			kinds := []string{"*/facts", "*/code.wasm"}
			if inProcesses {
				kinds = []string{"*/isolated-facts", "*/isolated.wasm"}
			}
			for _, kind := range kinds {
				paths, err := filepath.Glob(filepath.Join(config.CacheDir, kind))
				if err != nil || len(paths) != 1 {
					t.Fatalf("%s: got %v, %v, want one file", kind, paths, err)
				}
				b, err := os.ReadFile(paths[0])
				if err == nil {
					written[paths[0]] = slices.Clone(b)
					err = os.WriteFile(paths[0], damage(b), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			f := load(t, newHost(t, config), files)
			if u, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil || u.ID != "7" {
				t.Errorf("got the user %q and the error %v, want the user 7", u.ID, err)
			}
			for path, want := range written {
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s was not written again: %v", filepath.Base(path), err)
				}
			}
		})
	}
}

// A module is decoded and instrumented once for each cache and version of package meter.
func TestInstrumentedModulesAreKept(t *testing.T) {
	t.Parallel()
	config := wasmhost.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}
	files := map[string]string{"x.json": manifestOf("x", "")}
	for _, id := range []string{"1", "2"} {
		files["x.wasm"] = oauth(answer(`{"successful":true,"platformUserInfo":{"id":"`+id+`"}}`, 0)).String()
		load(t, newHost(t, config), files)
	}
	paths, err := filepath.Glob(filepath.Join(config.CacheDir, "*-"+meter.Version()+"-*", "code.wasm"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("got %v, %v, want two files", paths, err)
	}
	// The files change places: what the host runs now is what it reads.
	if err := errors.Join(os.Rename(paths[0], paths[0]+"x"), os.Rename(paths[1], paths[0]), os.Rename(paths[0]+"x", paths[1])); err != nil {
		t.Fatal(err)
	}
	f := load(t, newHost(t, config), files)
	if u, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil || u.ID != "1" {
		t.Errorf("got the user %q and the error %v, want the user 1 of the other file", u.ID, err)
	}
}

// Other users cannot write to the cache, which contains trusted machine code.
func TestCacheIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	load(t, newHost(t, wasmhost.Config{CacheDir: dir}), map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")})
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		if path == dir && info.Mode().Perm() != 0o700 {
			t.Errorf("the cache is %v", info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// New rejects a cache that other users can or could write to. The error names the path and its mode.
func TestUnsafeCaches(t *testing.T) {
	t.Parallel()
	chmod := func(mode fs.FileMode) func(string) error {
		return func(path string) error { return os.Chmod(path, mode) }
	}
	link := func(path string) error {
		return errors.Join(os.Rename(path, path+" moved"), os.Symlink(path+" moved", path))
	}
	for name, c := range map[string]struct {
		path   string // below a folder in which a host made the cache
		change func(path string) error
		want   string // empty: accepted
	}{
		"a cache that all can write":       {"cache", chmod(0o777), "can be written by others (mode 0777)"},
		"a cache that a group can write":   {"cache", chmod(0o770), "can be written by others (mode 0770)"},
		"a cache that all can read":        {"cache", chmod(0o755), ""},
		"a sticky cache":                   {"cache", chmod(0o777 | fs.ModeSticky), "can be written by others (mode 0777)"},
		"a cache that is a link":           {"cache", link, "is a symbolic link (mode L"},
		"a sub-folder that all can write":  {"cache/*/code/wazero-*", chmod(0o777), "can be written by others (mode 0777)"},
		"a sub-folder that is a link":      {"cache/*/code/wazero-*", link, "is a symbolic link (mode L"},
		"machine code that all can write":  {"cache/*/code/wazero-*/*", chmod(0o666), "can be written by others (mode 0666)"},
		"machine code that is a link":      {"cache/*/code/wazero-*/*", link, "is a symbolic link (mode L"},
		"facts that a group can write":     {"cache/*/facts", chmod(0o660), "can be written by others (mode 0660)"},
		"facts that are a link":            {"cache/*/facts", link, "is a symbolic link (mode L"},
		"a module that all can write":      {"cache/*/code.wasm", chmod(0o666), "can be written by others (mode 0666)"},
		"a parent that all can write":      {".", chmod(0o777), "can be written by others (mode 0777), so they could replace the cache"},
		"a sticky parent":                  {".", chmod(0o777 | fs.ModeSticky), ""},
		"a parent that a group can write":  {".", chmod(0o775), ""},
		"a grandparent that all can write": {"..", chmod(0o777), "can be written by others (mode 0777), so they could replace the cache"},
		"a parent that is a link":          {".", link, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := filepath.Join(t.TempDir(), "above", "base")
			config := wasmhost.Config{CacheDir: filepath.Join(base, "cache"), Fetch: policyOnly, Setting: func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false }}
			load(t, newHost(t, config), map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")})
			paths, err := filepath.Glob(filepath.Join(base, c.path))
			if err != nil || len(paths) != 1 {
				t.Fatalf("%s: %q, %v", c.path, paths, err)
			}
			if err := c.change(paths[0]); err != nil {
				t.Fatal(err)
			}
			_, err = wasmhost.New(t.Context(), config)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), paths[0]+" "+c.want) {
				t.Errorf("got %v, want %s and %q", err, paths[0], c.want)
			}
		})
	}
}

// A cache of another user is rejected, unless that user is root.
func TestCacheOfAnotherUser(t *testing.T) {
	t.Parallel()
	file := filepath.Join(folder(t, map[string]string{"facts-x": "{}"}), "facts-x")
	if err := os.Chmod(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	user := os.Geteuid()
	if err := wasmhost.CheckCache(filepath.Dir(file), user); err != nil {
		t.Error(err)
	}
	if user == 0 {
		user = 65534
		if err := wasmhost.CheckCache(filepath.Dir(file), user); err != nil {
			t.Errorf("root's is refused: %v", err)
		}
		if err := os.Chown(file, user, -1); err != nil {
			t.Fatal(err)
		}
	}
	err := wasmhost.CheckCache(filepath.Dir(file), user+1)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf(" belongs to user %d (mode 0", user)) {
		t.Errorf("got %v, want that another user owns it", err)
	}
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	if _, err := wasmhost.New(context.Background(), wasmhost.Config{CacheDir: t.TempDir()}); err == nil {
		t.Error("a host without Fetch and Setting was made")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := wasmhost.Config{CacheDir: file, Fetch: policyOnly, Setting: func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false }}
	if _, err := wasmhost.New(context.Background(), c); err == nil {
		t.Error("a file was taken for the cache")
	}
}

// A module that fails to start leaves no memory mapped. Not parallel: the test measures the address space of the process.
func TestFailedStartsFreeMemory(t *testing.T) {
	m := oauth(num(2))
	m.Data = []wasmtest.Data{{At: 1 << 30, Bytes: "x"}}
	h, files := newHost(t, wasmhost.Config{}), map[string]string{"x.wasm": m.String(), "x.json": manifestOf("x", "")}
	before := addressSpace(t)
	for range 20 {
		if _, err := loadAll(t, h, folder(t, files), ""); err == nil {
			t.Fatal("it was loaded")
		}
	}
	if grown := addressSpace(t) - before; grown > 800 { // 20 memories of 64 MiB
		t.Errorf("the address space grew by %d MB", grown)
	}
}

// addressSpace returns the size of the process's address space, in MB.
func addressSpace(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc/self/statm")
	}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages int
	if _, err := fmt.Sscan(string(b), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}

// A module with a changed byte is either rejected or runs.
func TestDamagedModules(t *testing.T) {
	t.Parallel()
	whole := oauth(answer(`{"successful":false}`, 0)).Bytes()
	files := map[string]string{"x.json": manifestOf("x", "")}
	h := newHost(t, wasmhost.Config{CacheDir: filepath.Join(t.TempDir(), "cache"), Deadline: 200 * time.Millisecond})
	step := 17
	if wasmtest.Soak() {
		step = 1
	}
	for i := 0; i < len(whole); i += step {
		b := slices.Clone(whole)
		b[i] ^= 0x55
		these := maps.Clone(files)
		these["x.wasm"] = string(b)
		f, err := loadAll(t, h, folder(t, these), "")
		if err != nil {
			continue
		}
		_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
