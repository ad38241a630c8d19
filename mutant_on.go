//go:build mutants

package editlock

var mutant string

// Mutate gives every Manager a known bug, to see that the simulation finds it.
func Mutate(name string) { mutant = name }
