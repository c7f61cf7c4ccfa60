// Package strictyaml decodes configuration that people write: it refuses keys that
// it does not know or that stand twice, and its errors say the line and the key at
// fault in the file's own terms.
//
// A type of configuration decodes itself by [Decode], so that all its errors have
// lines wherever it stands in a file:
//
//	func (c *Config) UnmarshalYAML(n *yaml.Node) error {
//		type plain Config // without this method
//		return strictyaml.Decode(n, (*plain)(c), c.faults)
//	}
//
// Invariants:
//
//   - An error of this package names the line; a decoder of a part that returns one
//     keeps it. [Unmarshal] adds the key.
//   - All faults are told, not the first: a type's own check sees what could be decoded
//     of a mapping with faults. What it says about a key that was not decoded follows
//     from another fault, and is left out.
//   - Anchors and aliases are followed by the library, which bounds their expansion.
package strictyaml
