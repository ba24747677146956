package wasmhost

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/mask"
	"github.com/crmgate/crmgate/wasmhost/process"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// recorded says of each operation whether a failed call is recorded, and why. Secrets that the server knows are replaced in a recording.
// A credential that the CRM is about to give away is not known yet, so operations that obtain one are never recorded.
var recorded = map[string]struct {
	keep bool
	why  string
}{
	"getAuthType":                {false, "it runs when the module is loaded, and crmgate check shows what is wrong"},
	"getOauthInfo":               {false, "it answers with the client secret, which the connector can have got from the CRM"},
	"getOverridingOAuthOption":   {false, "its input has the authorization code, and its answer is a part of the token request"},
	"getBasicAuth":               {false, "its input is an API key, and its answer a credential"},
	"getUserInfo":                {true, "the access token is known. With a form it is not recorded: see hasForm"},
	"authValidation":             {true, "the credential is known"},
	"refreshUserInfo":            {true, "the credential is known"},
	"unAuthorize":                {false, "the person has logged out or was deleted: nothing of them is kept"},
	"postSaveUserInfo":           {true, "the credential is known"},
	"getLicenseStatus":           {true, "the credential is known"},
	"checkAndRefreshAccessToken": {false, "it obtains tokens"},
	"getManagedAuthOptions":      {false, "its input has all values of an organisation, and the CRM's answers can have others of its credentials"},
}

// hasForm reports whether the input of getUserInfo has the values of a form. They are credentials that are not stored yet, and the
// connector can exchange them for others.
func hasForm(input []byte) bool {
	var in userInfoIn
	return json.Unmarshal(input, &in) != nil || in.APIKey != "" || len(in.AdditionalInfo) > 0
}

// recordable reports whether the call may be kept if it fails. A platform that is its manifest alone has no code that a replay could show.
func (c *call) recordable() bool {
	return c.module.interpreter == nil && recorded[c.operation].keep && (c.operation != "getUserInfo" || !hasForm(c.input))
}

// newWorld returns a context in which a guest runs in a world that is recorded; the world is nil if no calls are recorded.
func (h *Host) newWorld(ctx context.Context) (context.Context, *guest.World) {
	if h.Recordings == nil && h.Witness == nil {
		return ctx, nil
	}
	w := &guest.World{Seed: make([]byte, 32), Began: uint64(time.Now().UnixNano())}
	_, _ = rand.Read(w.Seed) // never fails
	return guest.WithWorld(ctx, w), w
}

// recorder records a call. It is the guest.Host of the call, in front of the call itself. A nil recorder does nothing.
type recorder struct {
	guest.Host
	call  *call
	world *guest.World
	r     recording.Recording
	size  int // of the texts in r, in bytes
}

// record returns the recorder of a call on a loaded module, and the context in which its guest runs. The recorder is nil if the call is
// not to be recorded.
func (m *module) record(ctx context.Context, on runner, c *call) (context.Context, *recorder) {
	l, ok := on.(*loadedModule)
	if !ok || l.start == nil || m.host.Witness == nil && !c.recordable() {
		return ctx, nil
	}
	ctx, w := m.host.newWorld(ctx)
	return ctx, &recorder{Host: c, call: c, world: w, size: len(c.input), r: recording.Recording{
		Time: time.Unix(0, int64(w.Began)).UTC(), Platform: m.manifest.Platform, Operation: c.operation, Module: hex.EncodeToString(m.sum[:]),
		Deadline: m.host.Deadline, Start: *l.start, Input: string(c.input),
	}}
}

// host returns the guest.Host of a call.
func (r *recorder) host(c *call) guest.Host {
	if r == nil {
		return c
	}
	return r
}

// add counts texts, and reports whether the recording has room for them. If it has not, end does not keep the recording.
func (r *recorder) add(texts ...string) bool {
	for _, t := range texts {
		r.size += len(t)
	}
	return r.size <= recording.MaxSize
}

// Fetch implements guest.Host.
func (r *recorder) Fetch(ctx context.Context, doc []byte) []byte {
	f := recording.Fetch{Request: validText(doc)}
	answer := r.Host.Fetch(ctx, doc)
	f.Answer, f.Late = string(answer), ctx.Err() != nil
	if r.add(f.Request, f.Answer) {
		r.r.Fetches = append(r.r.Fetches, f)
	}
	return answer
}

// Config implements guest.Host.
func (r *recorder) Config(ctx context.Context, name []byte) (string, bool) {
	value, ok := r.Host.Config(ctx, name)
	v := recording.Value{Name: validText(name), Value: value, Set: ok, Later: r.call.module.withheld(string(name))}
	if r.add(v.Name, v.Value) {
		r.r.Config = append(r.r.Config, v)
	}
	return value, ok
}

// Derive implements guest.Host.
func (r *recorder) Derive(ctx context.Context, request []byte) (string, bool) {
	handle, ok := r.Host.Derive(ctx, request)
	d := recording.Derivation{Request: validText(request), Handle: handle, OK: ok}
	if r.add(d.Request, d.Handle) {
		r.r.Derived = append(r.r.Derived, d)
	}
	return handle, ok
}

// Log implements guest.Host.
func (r *recorder) Log(ctx context.Context, level slog.Level, line []byte) {
	r.Host.Log(ctx, level, line)
	l := recording.Line{Level: level, Text: validText(line)}
	if r.add(l.Text) {
		r.r.Log = append(r.r.Log, l)
	}
}

// end keeps the recording if the call failed, and shows it to the witness. It does not wait.
func (r *recorder) end(ctx context.Context, result guest.Result, err error) {
	if r == nil || errors.Is(err, context.Canceled) { // the client is gone
		return
	}
	end, ok := r.call.endOf(result, err)
	if !ok {
		return
	}
	if witness := r.call.module.host.Witness; witness != nil {
		witness(r.witnessed(end))
	}
	folder := r.call.module.host.Recordings
	if folder == nil || !end.Failed() || !r.call.recordable() {
		return
	}
	if !r.add(end.Output, end.Reason) {
		folder.TooLarge(r.r.Platform, r.r.Operation)
		return
	}
	secrets, person, ok := r.secrets()
	if !ok {
		folder.Refused(r.r.Platform, r.r.Operation, errors.New("its credential is too short to be found in texts"))
		return
	}
	r.r.End, r.r.Call = end, *r.world
	folder.Keep(&r.r, person, secrets)
}

// endOf says how a guest's run has ended; ok is false if it has not run.
func (c *call) endOf(result guest.Result, err error) (end recording.End, ok bool) {
	var stop *guest.Stop
	switch {
	case err == nil:
		return c.returned(result), true
	case errors.As(err, &stop) && stop.Trap != "":
		return recording.End{How: recording.Stopped, Reason: validText([]byte(stop.How + ": " + stop.Trap))}, true
	case stop != nil:
		return recording.End{How: recording.Stopped, Reason: validText([]byte(stop.How))}, true
	case errors.As(err, new(*process.Died)):
		return recording.End{How: recording.Died, Reason: "was interrupted: its process ended"}, true
	case errors.Is(err, context.DeadlineExceeded):
		return recording.End{How: recording.Late, Reason: fmt.Sprintf("ran past its deadline of %v", c.module.host.Deadline)}, true
	}
	return end, false
}

// returned says what a guest has returned, and what is wrong with it.
func (c *call) returned(result guest.Result) recording.End {
	end := recording.End{How: recording.Returned, Result: result.Code, Output: validText(result.Output)}
	var failure struct {
		Message string `json:"message"`
	}
	switch {
	case result.Code == resultUnsupported:
		end.Output = ""
	case problemOf(result) != "":
		end.Problem = problemOf(result)
	case result.Code == resultError && (json.Unmarshal(result.Output, &failure) != nil || failure.Message == ""):
		end.Problem = `answered an error without a "message"`
	case result.Code == resultAnswer:
		if err := checkAnswer(c.operation, result.Output); err != nil {
			end.Problem = "gave an invalid answer (" + err.Error() + ")"
		}
	}
	return end
}

// secrets returns the secrets of a call, and whose call it is. ok is false if the credential is not known, or too short to be replaced.
func (r *recorder) secrets() (all []recording.Secret, person crmgate.UserKey, ok bool) {
	var in struct {
		AuthHeader string  `json:"authHeader"`
		User       userDoc `json:"user"`
	}
	ok = json.Unmarshal(r.call.input, &in) == nil
	person = crmgate.UserKey{Platform: in.User.Platform, Hostname: in.User.Hostname, ID: in.User.ID}
	all = credentialSecrets(in.AuthHeader)
	if n := len(all[0].Value); n > 0 && n < mask.Shortest {
		ok = false
	}
	plain := map[string]bool{}
	for _, v := range r.r.Config {
		if plain[v.Value] = isOrigin(v.Value); !plain[v.Value] {
			all = append(all, recording.Secret{Handle: "{{secret:" + v.Name + "}}", Value: v.Value})
		}
	}
	for _, s := range r.call.secrets.Values() {
		if !plain[s] {
			all = append(all, recording.Secret{Handle: "{{secret}}", Value: s})
		}
	}
	return all, person, ok
}

// credentialSecrets returns the secrets of an Authorization header. A Basic credential is replaced by one that decodes to handles, so
// that a connector that decodes it runs in the same way.
func credentialSecrets(header string) []recording.Secret {
	scheme, credential := splitHeader(header)
	decoded, err := base64.StdEncoding.DecodeString(credential)
	if !strings.EqualFold(scheme, "Basic") || err != nil {
		return []recording.Secret{{Handle: "{{accessToken}}", Value: credential}}
	}
	const userHandle, passwordHandle = "{{basicUser}}", "{{basicPassword}}"
	user, password, _ := strings.Cut(string(decoded), ":")
	instead := userHandle
	if password != "" {
		instead += ":" + passwordHandle
	}
	return []recording.Secret{
		{Handle: base64.StdEncoding.EncodeToString([]byte(instead)), Value: credential}, {Handle: userHandle, Value: user}, {Handle: passwordHandle, Value: password},
	}
}

// isOrigin reports whether a configuration value is the URL of a server and nothing else: that is not a secret, and a connector may
// have to read it.
func isOrigin(v string) bool {
	u, err := url.Parse(v)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

// validText returns bytes of a guest as text.
func validText(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
