"""Step trees and activity records: the types that components, engine and results have in common."""
