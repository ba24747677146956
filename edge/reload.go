package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/wasmhost"
)

// Reload loads the folder of connectors again. The node then serves what the folder has now, and requests that began before keep what
// they began with. If a platform's manifest, module or settings are wrong, its connector of before is kept. The error says that
// nothing has changed, because the folder or manifest.json cannot be read.
//
// One reload runs at a time; others wait for it.
//
// A connector that may do more than the recorded one is accepted if its platform is one of accepted. It is a Refusal if the folder has
// no such platform; then nothing has changed either.
func (n *Node) Reload(ctx context.Context, accepted ...crmgate.Platform) (operator.Reloaded, error) {
	return n.core.reload(ctx, accepted)
}

func (c *core) reload(ctx context.Context, accepted []crmgate.Platform) (operator.Reloaded, error) {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	was := c.served.Load()
	c.notePrint()
	folder, err := c.host.Reload(ctx, c.Connectors, c.PublicURL, was.folder)
	if err == nil {
		err = checkAccepted(folder, accepted)
	}
	if err != nil {
		err = fmt.Errorf("nothing has changed: %w", advice(err))
		c.metrics.Reload("failed")
		c.Logger.Error("the connectors were not reloaded", "err", err)
		return operator.Reloaded{}, err
	}
	ctx = context.WithoutCancel(ctx) // what has been loaded is used
	is := &served{folder, c.checkSettings(folder, was.folder, folder.Platforms()...)}
	for p, err := range is.unusable {
		if was.unusable[p] == nil && folder.Keep(p, was.folder, err) {
			delete(is.unusable, p)
		}
	}
	c.accept(ctx, folder, was.folder, func(_ context.Context, p crmgate.Platform, _ []string) bool { return slices.Contains(accepted, p) })
	c.keep(folder, was)
	c.served.Store(is)
	folder.Replace(was.folder)
	r := changes(was, is)
	c.report(r, is)
	return r, nil
}

// keep keeps the connectors that a new folder has left out, except those whose manifest was removed.
func (c *core) keep(folder *wasmhost.Folder, was *served) {
	for p, err := range folder.LeftOut() {
		if !errors.Is(err, wasmhost.ErrNoManifest) {
			folder.Keep(p, was.folder, err)
		}
	}
}

// changes lists the platforms that a reload has changed, and those that are left out or kept, in the order of their names.
func changes(was, is *served) (r operator.Reloaded) {
	r.Platforms = []operator.PlatformChange{}
	leftOut, kept := is.leftOut(), is.folder.Kept()
	names := append(append(was.folder.Platforms(), is.folder.Platforms()...), slices.Collect(maps.Keys(leftOut))...)
	slices.Sort(names)
	for _, p := range slices.Compact(names) {
		before, after := was.folder.Version(p), is.folder.Version(p)
		c := operator.PlatformChange{Platform: p, Before: before, After: after}
		if err := cmp.Or(leftOut[p], kept[p]); err != nil {
			c.Reason = err.Error()
		}
		switch {
		case leftOut[p] != nil:
			c.Change = operator.LeftOut
		case kept[p] != nil:
			c.Change = operator.Kept
		case before == "":
			c.Change = operator.Added
		case after == "":
			c.Change = operator.Removed
		case before == after && was.folder.Same(p, is.folder) && was.unusable[p] == nil:
			r.Unchanged++
			continue
		default:
			c.Change = operator.Changed
		}
		r.Platforms = append(r.Platforms, c)
	}
	return r
}

// report logs and counts a reload.
func (c *core) report(r operator.Reloaded, is *served) {
	c.metrics.Platforms(is.leftOut(), is.folder.Kept())
	for _, p := range r.Platforms {
		switch p.Change {
		case operator.LeftOut:
			c.Logger.Error(leftOutLine, "platform", p.Platform, "err", p.Reason)
		case operator.Kept:
			c.Logger.Error("kept the connector of before: the new one is not accepted, or its manifest, module or setting is wrong", "platform", p.Platform, "err", p.Reason)
		default:
			seen := ""
			if p.After != "" {
				seen = sees(is.folder, p.Platform)
			}
			c.Logger.Info("reloaded a connector", "platform", p.Platform, "change", p.Change, "before", p.Before, "after", p.After, "secrets", seen)
		}
	}
	outcome := "ok"
	if r.Incomplete() {
		outcome = "incomplete"
	}
	c.metrics.Reload(outcome)
	c.Logger.Info("reloaded the connectors", "outcome", outcome, "unchanged", r.Unchanged)
}
