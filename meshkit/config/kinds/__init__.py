"""What may be written, and what it then is: each kind of value reads itself, writes itself, and draws its own form."""
