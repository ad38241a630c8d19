package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// event is one line of `go test -json`; see `go doc test2json` and `go help buildjson`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build events
	FailedBuild string
	Test        string
	Output      string
	Elapsed     float64
}

// run is a test, or with an empty name a package, that has begun.
type run struct {
	pkg, test string
	began     time.Time
	paused    bool // a parallel test that waits for its turn
	output    []string
}

type took struct {
	name    string
	seconds float64
}

// report gathers events. It is safe for the reader and the progress at the same time.
type report struct {
	out   io.Writer
	began time.Time

	mu      sync.Mutex
	open    map[[2]string]*run
	tests   map[string]int // finished, by package
	passed  int
	packs   int
	failed  []string
	skipped []string
	slow    []took
	last    time.Time // when something was printed
}

func newReport(out io.Writer) *report {
	now := time.Now()
	return &report{out: out, began: now, last: now, open: map[[2]string]*run{}, tests: map[string]int{}}
}

// read takes events until the input ends.
func (r *report) read(in io.Reader) error {
	br := bufio.NewReader(in)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if line[0] != '{' || json.Unmarshal(line, &e) != nil {
				r.print("%s", line)
			} else {
				r.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "start", "run":
		r.open[key] = &run{pkg: e.Package, test: e.Test, began: time.Now()}
	case "pause":
		if o := r.open[key]; o != nil {
			o.paused = true
		}
	case "cont":
		if o := r.open[key]; o != nil {
			o.paused, o.began = false, time.Now()
		}
	case "output":
		if o := r.open[key]; o != nil {
			o.output = append(o.output, e.Output)
		} else {
			r.write("%s", e.Output)
		}
	case "build-output":
		r.write("%s", e.Output)
	case "build-fail":
		r.failed = append(r.failed, short(e.ImportPath)+" (does not build)")
	case "pass", "fail", "skip":
		o := r.open[key]
		delete(r.open, key)
		if e.Test == "" {
			r.endPackage(e, o)
		} else {
			r.endTest(e, o)
		}
	}
}

func (r *report) endTest(e event, o *run) {
	r.tests[e.Package]++
	name := short(e.Package) + "." + e.Test
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, name)
		r.writeOutput(o)
	case "fail":
		r.failed = append(r.failed, name)
		r.writeOutput(o)
	}
	if !strings.Contains(e.Test, "/") {
		r.slow = append(r.slow, took{name, e.Elapsed})
	}
}

func (r *report) endPackage(e event, o *run) {
	switch n := r.tests[e.Package]; {
	case e.Action == "fail":
		if e.FailedBuild == "" {
			r.failed = append(r.failed, short(e.Package))
			r.writeOutput(o)
		}
		r.write("FAIL  %-28s %6.1f s\n", short(e.Package), e.Elapsed)
	case n > 0:
		r.packs++
		r.write("ok    %-28s %6.1f s  %d tests\n", short(e.Package), e.Elapsed, n)
	}
	// A package without a test file is "skip" here, without a test of that name: nothing was left out.
}

// close prints the end and reports whether all went well.
func (r *report) close(readErr error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.open {
		r.failed = append(r.failed, strings.TrimSuffix(short(o.pkg)+"."+o.test, ".")+" (never ended)")
		r.writeOutput(o)
	}
	if readErr != nil {
		r.failed = append(r.failed, "reading the results: "+readErr.Error())
	}
	if r.passed == 0 && len(r.failed) == 0 {
		r.failed = append(r.failed, "no test ran at all")
	}
	slices.SortFunc(r.slow, func(a, b took) int {
		switch {
		case a.seconds > b.seconds:
			return -1
		case a.seconds < b.seconds:
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	if len(r.slow) > 0 && r.slow[0].seconds >= 5 {
		r.write("\nThe slowest:\n")
		for _, s := range r.slow[:min(5, len(r.slow))] {
			r.write("  %6.1f s  %s\n", s.seconds, s.name)
		}
	}
	list := func(head string, names []string) {
		if len(names) > 0 {
			slices.Sort(names)
			r.write("\n%s\n  %s\n", head, strings.Join(slices.Compact(names), "\n  "))
		}
	}
	list("Skipped, which counts as failed (make it run, or delete it):", r.skipped)
	list("Failed:", r.failed)
	verdict := "all well"
	if len(r.failed)+len(r.skipped) > 0 {
		verdict = "NOT WELL"
	}
	r.write("\n%s: %d packages, %d tests passed, %d failed, %d skipped, %s\n", verdict, r.packs, r.passed,
		len(r.failed), len(r.skipped), time.Since(r.began).Round(time.Second))
	return len(r.failed)+len(r.skipped) == 0
}

// showProgress says what still runs whenever nothing was printed for so long, until stop is called.
func (r *report) showProgress(silence time.Duration) (stop func()) {
	done := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		tick := time.NewTicker(silence / 4)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.progress(silence)
			}
		}
	})
	return func() { close(done); over.Wait() }
}

func (r *report) progress(silence time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last) < silence {
		return
	}
	var now []string
	for _, o := range r.open {
		if o.test != "" && !o.paused && !strings.Contains(o.test, "/") {
			now = append(now, fmt.Sprintf("%s.%s (%s)", short(o.pkg), o.test, time.Since(o.began).Round(time.Second)))
		}
	}
	slices.Sort(now)
	what := "building"
	if len(now) > 0 {
		what = strings.Join(now[:min(4, len(now))], ", ")
	}
	r.write("...   %s, %d tests passed; now: %s\n", time.Since(r.began).Round(time.Second), r.passed, what)
}

func (r *report) print(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(format, args...)
}

func (r *report) write(format string, args ...any) {
	r.last = time.Now()
	fmt.Fprintf(r.out, format, args...)
}

func (r *report) writeOutput(o *run) {
	if o != nil {
		r.write("%s", strings.Join(o.output, ""))
	}
}

// short is a package's folder.
func short(pkg string) string {
	pkg, _, _ = strings.Cut(pkg, " ") // a build is named "package [package.test]"
	if rest, ok := strings.CutPrefix(pkg, "github.com/editlock/editlock"); ok {
		if rest = strings.TrimPrefix(rest, "/"); rest == "" {
			return "editlock"
		}
		return rest
	}
	return pkg
}
