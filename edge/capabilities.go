package edge

import (
	"context"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost"
)

// accept compares what the connectors of a folder may do with what was recorded when they were accepted. One that may do more is left
// out, unless yes says so. Those that are the same in earlier are not looked at. earlier and yes may be nil.
func (c *core) accept(ctx context.Context, folder, earlier *wasmhost.Folder, yes func(context.Context, crmgate.Platform, []string) bool) {
	for _, p := range folder.Platforms() {
		v, ok := versionOf(folder, p)
		if !ok || earlier.Same(p, folder) {
			continue
		}
		if err := c.acceptVersion(ctx, p, v, yes); err != nil {
			folder.LeaveOut(p, err)
		}
	}
}

// versionOf returns what is recorded of a platform's connector; ok is false if it has no module.
func versionOf(folder *wasmhost.Folder, p crmgate.Platform) (v storage.ConnectorVersion, ok bool) {
	sum, ok := folder.Sum(p)
	if !ok {
		return v, false
	}
	m, _ := folder.Manifests().Platform(p)
	return storage.ConnectorVersion{Module: sum, Capabilities: m.Capabilities()}, true
}

func (c *core) acceptVersion(ctx context.Context, p crmgate.Platform, v storage.ConnectorVersion, yes func(context.Context, crmgate.Platform, []string) bool) error {
	a, err := c.db.AcceptConnector(ctx, p, v, false)
	asked := a.More
	if sealed.Lost(err) { // what was accepted is not known
		asked = v.Capabilities
	} else if err != nil {
		return err
	}
	accepted := err == nil && len(asked) == 0
	if !accepted && yes != nil && yes(ctx, p, asked) {
		a, err = c.db.AcceptConnector(ctx, p, v, true)
		accepted = true
	}
	advice := fmt.Sprintf("to accept that, run crmgate reload --accept-capabilities %s, or start the server with it", p)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", err, advice)
	case !accepted:
		return fmt.Errorf("the connector asks for more than was accepted: %s: %s", strings.Join(a.More, ", "), advice)
	case a.First:
		c.Logger.Info("accepted a connector for the first time", "platform", p, "module", v.Module[:12], "capabilities", v.Capabilities)
	case len(a.More) > 0:
		c.Logger.Warn("accepted a connector that may do more than before", "platform", p, "module", v.Module[:12], "more", a.More)
	}
	return nil
}

// checkAccepted returns a Refusal if one of the platforms is not in the folder.
func checkAccepted(folder *wasmhost.Folder, accepted []crmgate.Platform) error {
	for _, p := range accepted {
		if _, err := folder.Connector(p); err != nil && folder.LeftOut()[p] == nil {
			return crmgate.Refuse("There is no connector %q: --accept-capabilities names a platform, such as %s.", crmgate.Clip(string(p)), strings.Join(names(folder), ", "))
		}
	}
	return nil
}

func names(folder *wasmhost.Folder) (all []string) {
	for _, p := range folder.Platforms() {
		all = append(all, string(p))
	}
	return all
}
