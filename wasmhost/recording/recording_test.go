package recording_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/mask"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

func failed(operation string) *recording.Recording {
	seed := bytes.Repeat([]byte{1}, 32)
	return &recording.Recording{
		Time: time.Now(), Platform: "acme", Operation: operation, Deadline: time.Second, Start: guest.World{Seed: seed}, Call: guest.World{Seed: seed},
		Input: `{"authHeader":"Bearer abc"}`, End: recording.End{How: recording.Stopped, Reason: "trapped"},
	}
}

// world is a folder of recordings with a clock.
type world struct {
	*recording.Folder
	ring *sealed.KeyRing
	log  bytes.Buffer

	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func hash(k crmgate.UserKey) string { return fmt.Sprintf("%x", fmt.Sprintf("%-40.40s", k.ID)) }

func newWorld(t *testing.T, dir string) *world {
	t.Helper()
	ring, err := sealed.NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ring: ring, now: time.Now()}
	w.Folder, err = recording.Open(recording.FolderConfig{
		Dir: dir, Seal: ring.Seal, Person: hash, Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Now: w.time,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}

var ada = crmgate.UserKey{Platform: "acme", ID: "ada-lovelace-acme"}

// A recording is a sealed file that only its owner may read, and whose name has no data of the person.
func TestKeptRecording(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "failures")
	w := newWorld(t, dir)
	r := failed("authValidation")
	r.Input = `{"name":"Ada Lovelace","authHeader":"Bearer top-secret"}`
	w.Keep(r, ada, []recording.Secret{{Handle: "{{accessToken}}", Value: "top-secret"}})
	w.Close()
	all := files(t, dir)
	if len(all) != 1 || strings.Contains(all[0], "ada") {
		t.Fatalf("the files are %q", all)
	}
	path := filepath.Join(dir, all[0])
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v (%v), want %v", name, info.Mode(), err, want)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || bytes.Contains(b, []byte("Lovelace")) {
		t.Errorf("the file is not sealed: %q, %v", b, err)
	}
	got, err := recording.Read(path, w.ring.Unseal)
	if err != nil || got.Input != `{"name":"Ada Lovelace","authHeader":"Bearer {{accessToken}}"}` || got.Operation != "authValidation" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A folder keeps no more than its limits, and removes the oldest first.
func TestLimitsOfFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "failures")
	w := newWorld(t, dir)
	old := failed("authValidation")
	old.Time = w.now.Add(-recording.MaxAge - time.Second)
	w.Keep(old, ada, nil)
	large := failed("getLicenseStatus")
	large.Input = strings.Repeat("x", recording.MaxSize)
	w.Keep(large, ada, nil)
	w.Close()
	if all := files(t, dir); len(all) != 0 || !strings.Contains(w.log.String(), "more than 1 MB") {
		t.Errorf("the files are %q, and the log %s", all, &w.log)
	}

	if err := os.WriteFile(filepath.Join(dir, "of-another-program.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range recording.MaxFiles + 5 {
		name := fmt.Sprintf("%s-acme-authValidation-unknown-%08d.recording", w.now.Add(time.Duration(i)*time.Second-time.Hour).UTC().Format("20060102T150405.000000Z"), i)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w = newWorld(t, dir)
	if all := files(t, dir); len(all) != recording.MaxFiles+1 || !strings.Contains(all[0], "-00000005.") {
		t.Errorf("%d files are left, from %s on", len(all), all[0])
	}
	for _, name := range files(t, dir)[:70] {
		if err := os.Truncate(filepath.Join(dir, name), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	w.Keep(failed("authValidation"), ada, nil)
	w.Close()
	var total int64
	for _, name := range files(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > recording.MaxTotal || total < recording.MaxTotal-4<<20 {
		t.Errorf("the files have %d bytes", total)
	}
}

// write writes empty recordings of a platform, one for each second from a time on.
func write(t *testing.T, dir, platform string, from time.Time, n int) {
	t.Helper()
	for i := range n {
		at := from.Add(time.Duration(i) * time.Second).UTC().Format("20060102T150405.000000Z")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-authValidation-unknown-%08d.recording", at, platform, i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A connector that fails all the time removes its own recordings, although others have older ones.
func TestShareOfFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "failures")
	w := newWorld(t, dir)
	write(t, dir, "other", w.now.Add(-2*time.Hour), 20)
	write(t, dir, "acme", w.now.Add(-time.Hour), recording.MaxFiles)
	for _, name := range files(t, dir)[:10] { // of other
		if err := os.Truncate(filepath.Join(dir, name), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (other, acme int) {
		for _, name := range files(t, dir) {
			if strings.Contains(name, "-other-") {
				other++
			} else {
				acme++
			}
		}
		return other, acme
	}
	w.Keep(failed("authValidation"), ada, nil)
	w.Close()
	if other, acme := count(); other != 20 || acme != recording.MaxFiles-20 {
		t.Errorf("%d and %d files are left", other, acme)
	}
	for _, name := range files(t, dir)[20:90] { // of acme: now it has most of the bytes
		if err := os.Truncate(filepath.Join(dir, name), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	w = newWorld(t, dir)
	w.Close()
	if other, acme := count(); other != 20 || acme != recording.MaxFiles-20-(10+70-63) { // one of acme is not empty
		t.Errorf("%d and %d files are left of too many bytes", other, acme)
	}
}

// A file that a crash has left is removed, and so is one that was written while the clock was ahead: it would stay, and newer ones go.
func TestFilesOfACrashAndOfTheFuture(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "failures")
	w := newWorld(t, dir)
	defer w.Close()
	crash := func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, ".new-123.recording"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	crash()
	write(t, dir, "acme", w.now.Add(10*24*time.Hour), 3)
	write(t, dir, "acme", w.now, 1)
	newWorld(t, dir).Close()
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("left are %q", all)
	}
	crash()
	if err := recording.Forget(dir, "other", hash(ada)); err != nil || len(files(t, dir)) != 1 {
		t.Errorf("after a person was forgotten: %q, %v", files(t, dir), err)
	}
}

// Forgetting a person removes their recordings, and those whose person is not known; not those of others or of other platforms.
func TestForget(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "failures")
	w := newWorld(t, dir)
	grace, elsewhere := crmgate.UserKey{Platform: "acme", ID: "grace"}, failed("getUserInfo")
	elsewhere.Platform = "other"
	w.Keep(failed("authValidation"), ada, nil)
	w.Keep(failed("getUserInfo"), crmgate.UserKey{}, nil)
	w.Keep(failed("authValidation"), grace, nil)
	w.Keep(elsewhere, crmgate.UserKey{}, nil)
	during := failed("getLicenseStatus") // it began before the person was forgotten, and fails afterwards
	w.pass(time.Second)
	if err := w.Forget(ada); err != nil {
		t.Fatal(err)
	}
	w.Keep(during, ada, nil)
	w.Close()
	left := strings.Join(files(t, dir), " ")
	if n := len(files(t, dir)); n != 2 || !strings.Contains(left, hash(grace)[:32]) || !strings.Contains(left, "-other-") {
		t.Errorf("left are %s", left)
	}
	if err := errors.Join(recording.Forget(dir, "acme", hash(grace)), recording.Forget(filepath.Join(dir, "none"), "acme", hash(grace))); err != nil {
		t.Fatal(err)
	}
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d files are left", n)
	}
}

// A folder that others may enter is refused, and so are files that are no recordings: the error says what to do.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := recording.Open(recording.FolderConfig{Dir: dir}); err == nil || !strings.Contains(err.Error(), "run chmod 700") {
		t.Errorf("an open folder: %v", err)
	}
	kept := filepath.Join(dir, "failures")
	w := newWorld(t, kept)
	w.Keep(failed("authValidation"), ada, nil)
	w.Close()
	good, err := os.ReadFile(filepath.Join(kept, files(t, kept)[0]))
	if err != nil {
		t.Fatal(err)
	}
	other, err := sealed.NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(good)
	damaged[len(damaged)/2] ^= 1
	seal := func(plain string) []byte {
		b, err := w.ring.Seal(recording.Label, []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		return append(bytes.Clone(good[:bytes.IndexByte(good, '\n')+1]), b...)
	}
	for name, tt := range map[string]struct {
		content []byte
		ring    *sealed.KeyRing
		want    string
	}{
		"another key ring": {good, other, "another key ring (--keyset)"}, "damaged": {damaged, w.ring, "it is damaged"}, "cut": {good[:40], w.ring, "it is damaged"},
		"empty": {nil, w.ring, "is not a recording of crmgate"}, "foreign": {[]byte("{}"), w.ring, "is not a recording of crmgate"},
		"another release": {seal(`{"version":2}`), w.ring, "replay it with the release that recorded it"}, "no JSON": {seal(`x`), w.ring, "it is not a recording"},
	} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := recording.Read(path, tt.ring.Unseal); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// Secrets are replaced in every encoding, also where one has another in it, and names of members say what else is secret.
func TestConcealedSecrets(t *testing.T) {
	t.Parallel()
	const token, key = `to"k/e n+9`, `prefix-of-key`
	inside := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	all := []recording.Secret{{"{{accessToken}}", token}, {"{{apiKey}}", key + "-and-more"}, {"{{secret:A}}", key}, {"{{short}}", "abc"}}
	for name, tt := range map[string]struct{ text, want string }{
		"raw":                {`x ` + token, `x {{accessToken}}`},
		"JSON":               {inside(token), `"{{accessToken}}"`},
		"JSON in JSON":       {inside(map[string]string{"body": inside(token)}), `{"body":"\"{{accessToken}}\""}`},
		"three deep":         {inside(inside(inside(token))), `"\"\\\"{{accessToken}}\\\"\""`},
		"escaped slash":      {`"to\"k\/e n+9"`, `"{{accessToken}}"`},
		"code units":         {`"\u0074o\u0022k/e n+9"`, `"{{accessToken}}"`},
		"percent":            {`https://x.example/?a=to%22k%2Fe+n%2B9&b=to%22k%2fe%20n%2B9`, `https://x.example/?a={{accessToken}}&b={{accessToken}}`},
		"percent in JSON":    {`{"url":"https://x.example/?a=to%22k%2Fe%20n%2B9"}`, `{"url":"https://x.example/?a={{accessToken}}"}`},
		"one in another":     {key + "-and-more " + key, `{{apiKey}} {{secret:A}}`},
		"the JSON of it":     {`"prefix\u002dof\u002dkey-and-more"`, `"{{apiKey}}"`},
		"too short":          {`abc`, `abc`},
		"only the short one": {`x prefix-of-key-and-mo`, `x {{secret:A}}-and-mo`},
		"a session token":    {`{"body":"{\"sessionToken\":\"zzz-999\"}","other":"zzz-999"}`, `{"body":"{\"sessionToken\":\"{{sessionToken}}\"}","other":"{{sessionToken}}"}`},
		"a header":           {`{"headers":{"Authorization":"Custom yyy-888"}}`, `{"headers":{"Authorization":"Custom {{Authorization}}"}}`},
		"a parameter":        {`{"url":"https://x.example/?access_token=www-777"}`, `{"url":"https://x.example/?access_token={{access_token}}"}`},
		"a cookie":           {`{"headers":{"set-cookie":"SID=uuu-666; Path=/login; HttpOnly"},"log":"got uuu-666"}`, `{"headers":{"set-cookie":"SID={{SID}}; Path=/login; HttpOnly"},"log":"got {{SID}}"}`},
		"cookies":            {`{"headers":{"Cookie":"a=uuu-666; b=vvv-555"}}`, `{"headers":{"Cookie":"a={{a}}; b={{b}}"}}`},
		"a binary body":      {`{"bodyBase64":"` + base64.StdEncoding.EncodeToString([]byte(`{"sessionToken":"ttt-444"}`)) + `","other":"ttt-444"}`, `{"bodyBase64":"eyJzZXNzaW9uVG9rZW4iOiJ[secret]In0=","other":"{{sessionToken}}"}`},
		"names that are no":  {`{"tokenUrl":"https://x.example/","token_type":"bearer","session":"active"}`, `{"tokenUrl":"https://x.example/","token_type":"bearer","session":"active"}`},
	} {
		r := failed("authValidation")
		r.Input = tt.text
		if err := r.Conceal(all); err != nil || r.Input != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, r.Input, err, tt.want)
		}
	}
	r := failed("authValidation")
	r.Log = []recording.Line{{Text: strings.Repeat("x", guest.MaxLine-20) + token[:8]}, {Text: strings.Repeat("x", guest.MaxLine-8) + token[:8]}}
	if err := r.Conceal(all); err != nil || !strings.HasSuffix(r.Log[0].Text, token[:8]) || strings.Trim(r.Log[1].Text, "x") != "" {
		t.Errorf("the cut line ends with %q, the other one with %q (%v)", r.Log[1].Text[len(r.Log[1].Text)-10:], r.Log[0].Text[len(r.Log[0].Text)-10:], err)
	}
	for before := range 3 {
		r := failed("authValidation")
		r.Input = base64.StdEncoding.EncodeToString([]byte("xyz"[:before] + token + "more"))
		if err := r.Conceal(all); err != nil || !strings.Contains(r.Input, mask.Masked) {
			t.Errorf("base64 after %d bytes: got %s, %v", before, r.Input, err)
		}
	}
	for name, text := range map[string]string{
		"a number": `{"pin":123456789}`, "a body that is base64": inside(map[string][]byte{"bodyBase64": []byte(inside(token + "\xff"))}),
	} {
		r := failed("authValidation")
		r.Input = text
		if err := r.Conceal(append(all, recording.Secret{Handle: "{{pin}}", Value: "123456789"})); err == nil {
			t.Errorf("%s: a secret that cannot be replaced is kept: %s", name, r.Input)
		}
	}
}

// FuzzDecode: what decodes can be encoded, and is the same again.
func FuzzDecode(f *testing.F) {
	r := failed("authValidation")
	r.Version = 1
	b, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"platform":"x","operation":"y","deadline":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := recording.Decode(b)
		if err != nil {
			return
		}
		if len(r.Call.Wall) > guest.MaxClocks || len(r.Call.Seed) != 32 || !r.Platform.Valid() {
			t.Fatalf("got %+v", r)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := recording.Decode(again); err != nil && len(again) <= recording.MaxSize {
			t.Errorf("%s does not decode: %v", again, err)
		}
		if c, err := r.Case(r.Derived, r.Fetches, r.End); err == nil {
			_, _ = recording.Vectors([]recording.Case{c}, "NONCE")
		}
	})
}

// FuzzConceal: no text has a secret afterwards, and what was JSON is JSON.
func FuzzConceal(f *testing.F) {
	f.Add(`{"a":"top\u002dsecret"}`, "top-secret")
	f.Add(`a=top%2Dsecret&token=zzz9999`, "top-secret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		r := failed("authValidation")
		r.Input = text
		if r.Conceal([]recording.Secret{{Handle: "{{h}}", Value: secret}}) != nil {
			return
		}
		if len(secret) >= mask.Shortest && strings.Contains(r.Input, secret) {
			t.Errorf("%q has %q", r.Input, secret)
		}
		if json.Valid([]byte(text)) && !json.Valid([]byte(r.Input)) {
			t.Errorf("%q became %q", text, r.Input)
		}
	})
}

// A case has what was derived, and the handles of vectors instead of those of the call.
func TestVectorsOfDerivedValues(t *testing.T) {
	t.Parallel()
	r := recording.Recording{Operation: "authValidation", Input: `{"authHeader":"Basic {{accessToken}}"}`}
	derived := []recording.Derivation{{Request: `{"base64":"{{accessToken}}:"}`, Handle: "{{derived:1:Q7ZX}}", OK: true}}
	fetches := []recording.Fetch{{Request: `{"url":"https://ok.example/?key=%7B%7Bderived%3A1%3AQ7ZX%7D%7D"}`, Answer: `{"body":"{{derived:1:Q7ZX}}"}`}}
	c, err := r.Case(derived, fetches, recording.End{How: recording.Returned, Output: `{"successful":true}`})
	if err != nil {
		t.Fatal(err)
	}
	b, err := recording.Vectors([]recording.Case{c, c}, "NONCE")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), `"operation"`); n != 1 || strings.Count(string(b), `"name"`) != 2 {
		t.Errorf("two cases of an operation are %d items: %s", n, b)
	}
	for _, want := range []string{`"authHeader": "Basic {{accessToken:NONCE}}"`, `"base64": "{{accessToken:NONCE}}:"`, `key=%7B%7Bderived%3A1%3ANONCE%7D%7D`, `"body": "{{derived:1:NONCE}}"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("got %s, want %s in it", b, want)
		}
	}
}
