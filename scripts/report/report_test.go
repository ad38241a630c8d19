package main

import (
	"strings"
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	const pkg = `"Package":"github.com/editlock/editlock/lease"`
	pass := `{"Action":"start",` + pkg + `}
{"Action":"run",` + pkg + `,"Test":"TestA"}
{"Action":"output",` + pkg + `,"Test":"TestA","Output":"chatter\n"}
{"Action":"pass",` + pkg + `,"Test":"TestA","Elapsed":0.1}
`
	end := `{"Action":"pass",` + pkg + `,"Elapsed":0.2}` + "\n"
	for _, c := range []struct {
		name, in string
		well     bool
		says     string
	}{
		{"passes", pass + end, true, "all well: 1 packages, 1 tests passed"},
		{"a package without tests is no skip", pass + end + `{"Action":"start","Package":"x"}` + "\n" + `{"Action":"skip","Package":"x"}` + "\n", true, "0 skipped"},
		{"skips", pass + `{"Action":"run",` + pkg + `,"Test":"TestB"}
{"Action":"output",` + pkg + `,"Test":"TestB","Output":"no browser here\n"}
{"Action":"skip",` + pkg + `,"Test":"TestB"}
` + end, false, "no browser here"},
		{"fails", pass + `{"Action":"run",` + pkg + `,"Test":"TestB"}
{"Action":"output",` + pkg + `,"Test":"TestB","Output":"got 1, want 2\n"}
{"Action":"fail",` + pkg + `,"Test":"TestB"}
{"Action":"fail",` + pkg + `}
`, false, "got 1, want 2"},
		{"does not build", `{"ImportPath":"x [x.test]","Action":"build-output","Output":"x.go:1: syntax error\n"}
{"ImportPath":"x [x.test]","Action":"build-fail"}
{"Action":"start","Package":"x"}
{"Action":"fail","Package":"x","FailedBuild":"x [x.test]"}
`, false, "syntax error"},
		{"was killed", pass, false, "lease (never ended)"},
		{"nothing ran", "", false, "no test ran at all"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			well := r.close(r.read(strings.NewReader(c.in)))
			if well != c.well {
				t.Errorf("well is %v, want %v", well, c.well)
			}
			if !strings.Contains(out.String(), c.says) {
				t.Errorf("does not say %q:\n%s", c.says, &out)
			}
			if strings.Contains(out.String(), "chatter") {
				t.Errorf("prints the output of a test that passed:\n%s", &out)
			}
		})
	}
}

// What still runs is said with how long it has run. A parallel test that waits for the others of its package does not run.
func TestProgress(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	took := func(events ...string) {
		for _, e := range events {
			action, test, _ := strings.Cut(e, " ")
			r.take(event{Action: action, Package: "github.com/editlock/editlock/web", Test: test})
		}
	}
	took("run TestWaits", "run TestResumed", "run TestLong", "pause TestWaits", "pause TestResumed")
	for _, o := range r.open {
		o.began = o.began.Add(-time.Hour)
	}
	took("cont TestResumed")
	r.progress(0)
	if got := out.String(); !strings.Contains(got, "now: web.TestLong (1h0m0s), web.TestResumed (0s)\n") {
		t.Error(got)
	}
}
