"""Repositories, their trees and products, and what is remembered of them."""
