//go:build linux && race

package nemesis

// With the race detector, the server gets it too.
func init() { buildFlags = []string{"-race"} }
