package proxy

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
)

func (s *Server) isAlive(context.Context, *request) (any, error) { return plain("OK"), nil }

func (s *Server) serverVersionInfo(context.Context, *request) (any, error) {
	version, ok := s.Manifests.Version()
	if !ok || version == "" {
		version = "unknown"
	}
	b, err := encode(map[string]string{"version": version})
	return rawJSON(b), err
}

func (s *Server) releaseNotes(context.Context, *request) (any, error) {
	return rawJSON(s.Manifests.ReleaseNotes()), nil
}

func (s *Server) crmManifest(_ context.Context, r *request) (any, error) {
	name, err := r.param("platformName")
	if err != nil {
		return nil, err
	}
	doc, ok := s.Manifests.Published(name)
	if !ok {
		return nil, crmgate.RefusePlain("Platform not found")
	}
	return rawJSON(doc), nil
}

func (s *Server) implementedInterfaces(_ context.Context, r *request) (any, error) {
	name, err := r.param("platform")
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, crmgate.RefusePlain("Please provide platform.")
	}
	list, err := s.Flows.Connectors.Interfaces(crmgate.Platform(name))
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

// userInfoHash takes a missing value for the text "undefined", as JavaScript does when upstream concatenates it.
func (s *Server) userInfoHash(_ context.Context, r *request) (any, error) {
	hash := func(value string, ok bool) string {
		if !ok {
			value = "undefined"
		}
		return s.Settings.UserInfoHash(value)
	}
	return struct {
		ExtensionID string `json:"extensionId"`
		AccountID   string `json:"accountId"`
	}{hash(r.list("extensionId")), hash(r.list("accountId"))}, nil
}
