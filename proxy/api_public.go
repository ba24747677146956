package proxy

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/settings"
)

// publicAPI has the routes that need no session: the manifest, the versions and the interfaces.
type publicAPI struct {
	manifests  func() *manifest.Set
	settings   *settings.Settings
	connectors connector.Registry
}

func (a publicAPI) isAlive(context.Context, *request) (any, error) { return plain("OK"), nil }

func (a publicAPI) serverVersionInfo(context.Context, *request) (any, error) {
	version, ok := a.manifests().Version()
	if !ok || version == "" {
		version = "unknown"
	}
	b, err := encode(map[string]string{"version": version})
	return rawJSON(b), err
}

func (a publicAPI) releaseNotes(context.Context, *request) (any, error) {
	return rawJSON(a.manifests().ReleaseNotes()), nil
}

func (a publicAPI) crmManifest(_ context.Context, r *request) (any, error) {
	name, err := r.param("platformName")
	if err != nil {
		return nil, err
	}
	doc, ok := a.manifests().Published(name)
	if !ok {
		return nil, crmgate.RefusePlain("Platform not found")
	}
	return rawJSON(doc), nil
}

func (a publicAPI) implementedInterfaces(ctx context.Context, r *request) (any, error) {
	name, err := r.param("platform")
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, crmgate.RefusePlain("Please provide platform.")
	}
	list, err := a.connectors.Interfaces(ctx, crmgate.Platform(name))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer // a map would lose the order
	for i, in := range list {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(`"` + in.Name + `":`)
		b.WriteString(map[bool]string{true: "true", false: "false"}[in.Implemented])
	}
	b.WriteByte('}')
	return json.RawMessage(b.Bytes()), nil
}

// userInfoHash hashes "undefined" for a missing value, because upstream does.
func (a publicAPI) userInfoHash(_ context.Context, r *request) (any, error) {
	hash := func(value string, ok bool) string {
		if !ok {
			value = "undefined"
		}
		return a.settings.UserInfoHash(value)
	}
	return struct {
		ExtensionID string `json:"extensionId"`
		AccountID   string `json:"accountId"`
	}{hash(r.list("extensionId")), hash(r.list("accountId"))}, nil
}
