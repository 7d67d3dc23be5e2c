// Command grafana_types reads dashboards as Grafana's own types have them and prints what is wrong with each.
//
// It is given the paths of dashboards. Every key must be one that Grafana knows, of the type that it knows, down to the
// options of each panel and the targets of each query, and every value must be one that the types allow.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	wrong := false
	for _, path := range os.Args[1:] {
		panels, err := check(path)
		if err != nil {
			wrong = true
			fmt.Printf("%s: %v\n", path, err)
			continue
		}
		fmt.Printf("%s: %d panels\n", path, panels)
	}
	if wrong {
		os.Exit(1)
	}
}

func check(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// Read strictly, it finds what is wrong but keeps no panel; read once more, it has them all.
	var strict, read dashboard.Dashboard
	if err := wrongIn(strict.UnmarshalJSONStrict(text)); err != nil {
		return 0, err
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return 0, err
	}
	if err := wrongIn(read.Validate()); err != nil {
		return 0, err
	}
	return count(read), nil
}

// wrongIn returns nil for the SDK's empty list of errors, which is an error that is not nil.
func wrongIn(err error) error {
	var listed cog.BuildErrors
	if errors.As(err, &listed) && len(listed) == 0 {
		return nil
	}
	return err
}

func count(read dashboard.Dashboard) int {
	panels := 0
	for _, each := range read.Panels {
		if each.Panel != nil {
			panels++
		}
		if each.RowPanel != nil {
			panels += len(each.RowPanel.Panels)
		}
	}
	return panels
}
