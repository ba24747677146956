package settings

import (
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
)

// layer lays an organisation's settings over a person's, entry by entry. An entry is an object with value, defaultValue and
// options; the organisation's says with customizable whether the person's counts, and with isRemoved that there is none.
// What is null is not there. The error is that values are nested too deeply to be written.
func layer(org, own object) (object, error) {
	all := object{}
	for name, theirs := range org {
		if given(theirs) && !truthy(objectOf(theirs)["isRemoved"]) {
			all[name] = theirs
		}
	}
	for name, mine := range own {
		theirs := objectOf(org[name])
		fixed := given(org[name]) && !truthy(theirs["customizable"])
		if !given(mine) || fixed || truthy(theirs["isRemoved"]) {
			continue
		}
		var err error
		if all[name], err = personal(name, objectOf(mine), theirs); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// personal is a person's entry as it is shown.
func personal(name string, mine, theirs object) (json.RawMessage, error) {
	value := mine["value"]
	if strings.HasPrefix(name, "plugin_") {
		var err error
		if value, err = layerPlugin(theirs["value"], value); err != nil {
			return nil, err
		}
	}
	return crmgate.EncodeJSON(struct {
		Customizable bool            `json:"customizable"`
		Value        json.RawMessage `json:"value,omitempty"`
		DefaultValue json.RawMessage `json:"defaultValue,omitempty"`
		Options      json.RawMessage `json:"options,omitempty"`
	}{true, value, mine["defaultValue"], mine["options"]})
}

// layerPlugin lays the organisation's configuration of a plugin, the member config of its value, over a person's.
func layerPlugin(org, own json.RawMessage) (json.RawMessage, error) {
	theirs := objectOf(objectOf(org)["config"])
	if len(theirs) == 0 {
		return own, nil
	}
	value := objectOf(own)
	if value == nil {
		value = object{}
	}
	config, err := layerConfig(theirs, objectOf(value["config"]))
	if err == nil {
		value["config"], err = crmgate.EncodeJSON(config)
	}
	if err != nil {
		return nil, err
	}
	return crmgate.EncodeJSON(value)
}

// layerConfig is layer for what a plugin is configured with: an entry of the person's counts if it is theirs to customize,
// unless only the organisation's has a value. It keeps all of its members.
func layerConfig(org, own object) (object, error) {
	all := object{}
	for name, theirs := range org {
		if given(theirs) {
			all[name] = theirs
		}
	}
	for name, b := range own {
		mine, theirs := objectOf(b), objectOf(org[name])
		fixed := given(org[name]) && !truthy(theirs["customizable"])
		unset := !truthy(mine["value"]) && truthy(theirs["value"])
		if !given(b) || fixed || unset {
			continue
		}
		all[name] = b
		if mine == nil {
			continue
		}
		mine["customizable"] = json.RawMessage("true")
		var err error
		if all[name], err = crmgate.EncodeJSON(mine); err != nil {
			return nil, err
		}
	}
	return all, nil
}
