package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Datasource  struct{ UID string }
	Targets     []struct{ RefID, Expr, LegendFormat string }
	Panels      []panel
}

// Every query of the board is one that Prometheus understands, of metrics that a real server has.
func TestBoard(t *testing.T) {
	file, err := os.ReadFile("../../docs/grafana/editlock.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(file, &board); err != nil {
		t.Fatal(err)
	}
	known := busy(t)
	shown, ids, places := map[string]bool{}, map[int]bool{}, map[string]string{}
	for _, p := range board.Panels {
		if p.Title == "" || ids[p.ID] {
			t.Errorf("panel %d has no title, or another one has its number", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				at := fmt.Sprint(x, ",", y)
				if other := places[at]; other != "" || x >= 24 {
					t.Errorf("%q lies over %q, or outside", p.Title, other)
				}
				places[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%q asks nothing, or not the data source that was chosen", p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%q is not of the node that was chosen: %s", p.Title, target.Expr)
			}
			text := strings.NewReplacer("$instance", ".*", "$__rate_interval", "5m").Replace(target.Expr)
			used, err := parsePromQL(text, known)
			if err != nil {
				t.Errorf("%q: %s: %v", p.Title, target.Expr, err)
			}
			maps.Copy(shown, used)
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" && v.Definition != "label_values(editlock_build_info, instance)" {
			t.Errorf("the variable %s is %s", v.Name, v.Definition)
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "editlock_") && !shown[name] && !shown[name+"_bucket"] && !shown[name+"_count"] && name != "editlock_sessions" && name != "editlock_grants_total" {
			t.Errorf("%s is on no panel", name)
		}
	}
}

type alarm struct {
	Alert, Expr, For string
	Labels           map[string]string
	Annotations      struct{ Summary, Action string }
}

// alarms reads docs/grafana/alerts.yaml.
func alarms(t *testing.T) []alarm {
	t.Helper()
	file, err := os.ReadFile("../../docs/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []alarm
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(file))
	dec.KnownFields(true)
	if err := dec.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	var all []alarm
	for _, g := range rules.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// Every alarm is of metrics that a real server has, says what it means and what to do, and docs/operations.md says the same.
func TestAlarms(t *testing.T) {
	known := busy(t)
	known["up"] = &family{kind: "gauge"} // of Prometheus itself
	var table strings.Builder
	table.WriteString("| alarm | what it means | what to do |\n|---|---|---|\n")
	names := map[string]bool{}
	for _, a := range alarms(t) {
		if names[a.Alert] || !strings.HasPrefix(a.Alert, "Editlock") || a.Annotations.Summary == "" || a.Annotations.Action == "" {
			t.Errorf("%+v: it needs a name of its own, a summary and an action", a)
		}
		names[a.Alert] = true
		if !slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("%s has the severity %q", a.Alert, a.Labels["severity"])
		}
		if _, err := time.ParseDuration(a.For); a.For != "" && err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
		if _, err := parsePromQL(a.Expr, known); err != nil {
			t.Errorf("%s: %v", a.Alert, err)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", a.Alert, a.Annotations.Summary, a.Annotations.Action)
	}
	if len(names) < 10 {
		t.Errorf("only %d alarms were found", len(names))
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n"+table.String()+"\n") {
		t.Errorf("the table of alarms in docs/operations.md is not this one:\n%s", table.String())
	}
}
