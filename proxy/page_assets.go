package proxy

import (
	"context"

	"github.com/crmgate/crmgate/proxy/web"
)

var assetTypes = map[string]string{"icon.svg": "image/svg+xml", "page.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8"}

// assetRoutes are the routes of the files that pages load.
func assetRoutes() []route {
	var routes []route
	for _, name := range web.Assets {
		routes = append(routes, route{method: "GET", path: "/ui/" + name, quick: true, run: func(context.Context, *request) (any, error) {
			b, err := web.Asset(name)
			return asset{assetTypes[name], string(b)}, err
		}})
	}
	return routes
}
