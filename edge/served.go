package edge

import (
	"context"
	"maps"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/wasmhost"
)

// served is what a node serves: a folder of connectors, and what is wrong with it. It is immutable. A reload replaces the whole.
type served struct {
	folder   *wasmhost.Folder
	unusable map[crmgate.Platform]error // platforms with a setting that cannot be read
}

// leftOut returns the platforms that are not served, with the reason.
func (s *served) leftOut() map[crmgate.Platform]error {
	all := s.folder.LeftOut()
	maps.Copy(all, s.unusable)
	return all
}

// connector returns the connector of a platform. The error is a Refusal if there is none, or if its settings cannot be read.
func (s *served) connector(p crmgate.Platform) (connector.Connector, error) {
	conn, err := s.folder.Connector(p)
	if unusable := s.unusable[p]; err == nil && unusable != nil {
		return nil, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: conn.Manifest().Title + " is not available here. Ask your administrator.", Err: unusable}
	}
	return conn, err
}

type heldKey struct{}

// hold returns a context in which connector and platforms use what is served now.
func (c *core) hold(ctx context.Context) context.Context {
	return context.WithValue(ctx, heldKey{}, c.served.Load())
}

// of returns what hold has put into the context, or what is served now.
func (c *core) of(ctx context.Context) *served {
	if s, ok := ctx.Value(heldKey{}).(*served); ok {
		return s
	}
	return c.served.Load()
}

// connector returns the connector of a platform, as served.connector does.
func (c *core) connector(ctx context.Context, p crmgate.Platform) (connector.Connector, error) {
	return c.of(ctx).connector(p)
}

func (c *core) platforms(ctx context.Context) []crmgate.Platform { return c.of(ctx).folder.Platforms() }

// manifests returns the manifests that are served now.
func (c *core) manifests() *manifest.Set { return c.served.Load().folder.Manifests() }

// replay is an act of the operator, with the connectors that are served when it begins.
func (c *core) replay(ctx context.Context, id string, dry bool) (authflow.Replayed, error) {
	return c.flows.Replay(c.hold(ctx), id, dry)
}
