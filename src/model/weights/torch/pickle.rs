//! Python pickles, read as data.
//!
//! A pickle is a program for a small machine with a stack. This one has numbers,
//! texts and containers; a call is not made but remembered or refused, so that
//! nothing a file says is ever done (opcodes: CPython's `Lib/pickletools.py`).

mod reading;

use std::collections::HashMap;
use std::io::{BufRead, Read as _};

use super::calls::{self, Callable};

/// Longest pickle: those of the largest checkpoints have a tenth of it.
const MOST_BYTES: u64 = 32 << 20;
/// Instructions of a pickle; a checkpoint with an optimiser's state has some 400,000.
const MOST_STEPS: usize = 1_500_000;

/// What a reference to the class of a module begins with.
const MODULE: &str = "module";

/// Names a value of a pickle.
pub(super) type Id = u32;

/// What a pickle may hold.
#[derive(Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little-endian.
    Large(Box<[u8]>),
    Float,
    Text(Box<str>),
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function, by name.
    Global(Box<str>),
    /// What lies outside of the pickle under this key.
    Persistent(Id),
    /// A tensor: by what it would be made, and of what.
    Rebuilt(Box<str>, Id),
    /// Something that is not needed, by the name of what would make it.
    Opaque,
}

/// All values of a pickle. They name each other, in circles perhaps, so that none
/// is ever deep.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle up to its end; what follows is left to the reader.
    ///
    /// # Errors
    /// What is wrong with it, or what it calls.
    pub fn read(reader: &mut impl BufRead) -> Result<Self, String> {
        let mut machine = Machine {
            input: reader.take(MOST_BYTES),
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        };
        for _ in 0..MOST_STEPS {
            if let Some(root) = machine.step()? {
                let values = machine.values;
                return Ok(Self { values, root });
            }
        }
        Err(format!(
            "its pickle has more than {MOST_STEPS} instructions"
        ))
    }

    /// The value that the pickle stands for.
    pub fn root(&self) -> &Value {
        self.get(self.root)
    }

    /// A value by its name.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// Whether a value is the class of a module, with its source code.
    pub fn is_module(&self, id: Id) -> bool {
        module_of(&self.values, id).is_some()
    }

    /// The names of all values.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        0..self.values.len() as Id
    }

    /// The parts of a tuple or list.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that counts something.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Numbers that count something.
    pub fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        self.items(id)?.iter().map(|id| self.size(*id)).collect()
    }
}

struct Machine<R> {
    input: std::io::Take<R>,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Items that were copied from one container into another.
    copied: usize,
}

impl<R: BufRead> Machine<R> {
    /// Does one instruction; the result, when it was the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        let [opcode] = self.bytes()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.drop_top()?,
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            // The protocol, and the length of what follows.
            0x80 => drop(self.bytes::<1>()?),
            0x95 => drop(self.bytes::<8>()?),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'F' => {
                self.line()?;
                self.push(Value::Float)?;
            }
            b'G' => {
                self.bytes::<8>()?;
                self.push(Value::Float)?;
            }
            b'I' | b'L' => {
                let line = self.line()?;
                let value = match line.trim_end_matches('L') {
                    "00" if opcode == b'I' => Value::Bool(false),
                    "01" if opcode == b'I' => Value::Bool(true),
                    digits => digits.parse().map_or(Value::Opaque, Value::Int),
                };
                self.push(value)?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.bytes()?);
                self.push(Value::Int(value.into()))?;
            }
            b'K' => {
                let [value] = self.bytes()?;
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.bytes()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => {
                let [length] = self.bytes()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.long(length.into())?;
            }
            b'S' | b'V' => {
                let line = self.line()?;
                let text = line.trim_matches(['\'', '"']);
                self.push(Value::Text(text.into()))?;
            }
            b'U' | 0x8c => {
                let [length] = self.bytes()?;
                self.text(length.into())?;
            }
            b'T' | b'X' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.text(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.text(length)?;
            }
            b'C' => {
                let [length] = self.bytes()?;
                self.blob(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.blob(length.into())?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.blob(length)?;
            }
            0x98 => {}
            _ => self.gather(opcode)?,
        }
        Ok(None)
    }

    /// Does an instruction that makes or fills containers, or names a value.
    fn gather(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x8f => self.push(Value::Opaque),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items))
            }
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Value::List(items))
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(pairs(&items)))
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or_else(ended)?;
                let items = self.stack.split_off(start);
                self.push(Value::Tuple(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.extend(&items)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[key, value])
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.insert(&items)
            }
            // Sets hold nothing that is needed.
            0x90 => self.pop_mark().map(drop),
            0x91 => {
                self.pop_mark()?;
                self.push(Value::Opaque)
            }
            b'p' => {
                let key = self.line()?;
                let key = key.parse().map_err(|_| unclear("a name of a value"))?;
                self.remember(key)
            }
            b'q' => {
                let [key] = self.bytes()?;
                self.remember(key.into())
            }
            b'r' => {
                let key = u32::from_le_bytes(self.bytes()?);
                self.remember(key.into())
            }
            0x94 => self.remember(self.memo.len() as u64),
            b'g' => {
                let key = self.line()?;
                let key = key.parse().map_err(|_| unclear("a name of a value"))?;
                self.recall(key)
            }
            b'h' => {
                let [key] = self.bytes()?;
                self.recall(key.into())
            }
            b'j' => {
                let key = u32::from_le_bytes(self.bytes()?);
                self.recall(key.into())
            }
            _ => self.name(opcode),
        }
    }

    /// Does an instruction that names classes and functions, or would call them.
    fn name(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b'c' => {
                let global = self.global()?;
                self.push(Value::Global(global.into()))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let texts = self.text_of(module).zip(self.text_of(name));
                let global = texts.map(|(module, name)| format!("{module}.{name}"));
                let global = global.ok_or_else(|| unclear("the name of a class"))?;
                self.push(Value::Global(global.into()))
            }
            b'Q' => {
                let key = self.pop()?;
                self.push(Value::Persistent(key))
            }
            b'R' => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                self.call(callee, arguments)
            }
            // Instances are made without a call, and then told what they are.
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                self.instance(class)
            }
            0x92 => {
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.instance(class)
            }
            b'b' => self.build(),
            // The oldest way to make instances does call.
            b'i' => {
                let global = self.global()?;
                let arguments = self.pop_mark()?;
                self.push(Value::Global(global.into()))?;
                let callee = self.pop()?;
                self.push(Value::Tuple(arguments))?;
                let arguments = self.pop()?;
                self.call(callee, arguments)
            }
            b'o' => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err(ended());
                }
                let callee = items.remove(0);
                self.push(Value::Tuple(items))?;
                let arguments = self.pop()?;
                self.call(callee, arguments)
            }
            b'P' => Err(format!(
                "it refers to “{}”, which is elsewhere",
                self.line()?
            )),
            0x82..=0x84 => Err("it names a class by a number that only its program knows".into()),
            other => Err(format!(
                "its pickle has the unknown instruction {other:#04x}"
            )),
        }
    }

    /// Remembers what a call would make, or refuses it.
    fn call(&mut self, callee: Id, arguments: Id) -> Result<(), String> {
        let name = match &self.values[callee as usize] {
            Value::Global(name) => name.clone(),
            Value::Opaque => return self.push(Value::Opaque),
            _ => return Err("it calls something that is no function".into()),
        };
        let given = |last: bool| match &self.values[arguments as usize] {
            Value::Tuple(items) | Value::List(items) => {
                let item = if last { items.last() } else { items.first() };
                item.map(|id| &self.values[*id as usize])
            }
            _ => None,
        };
        match calls::known(&name) {
            Some(Callable::Tensor) => self.push(Value::Rebuilt(name, arguments)),
            Some(Callable::Dict) => {
                let pairs = match given(true) {
                    Some(Value::Dict(pairs)) => pairs.clone(),
                    Some(Value::List(list)) => {
                        let pair = |id: &Id| match &self.values[*id as usize] {
                            Value::Tuple(pair) | Value::List(pair) => match pair[..] {
                                [key, value] => Some((key, value)),
                                _ => None,
                            },
                            _ => None,
                        };
                        list.iter().filter_map(pair).collect()
                    }
                    _ => Vec::new(),
                };
                self.copies(pairs.len())?;
                self.push(Value::Dict(pairs))
            }
            Some(Callable::Sequence) => {
                let items = match given(false) {
                    Some(Value::Tuple(items) | Value::List(items)) => items.clone(),
                    _ => Vec::new(),
                };
                self.copies(items.len())?;
                self.push(Value::Tuple(items))
            }
            Some(Callable::Unneeded) => self.push(Value::Opaque),
            None => Err(format!(
                "it calls {}, which has no place in a checkpoint; nothing was run",
                spoken(&name)
            )),
        }
    }

    /// An instance of a class: a dictionary, or something that is not needed.
    fn instance(&mut self, class: Id) -> Result<(), String> {
        let class = module_of(&self.values, class).unwrap_or(class);
        let is_dict = matches!(
            &self.values[class as usize],
            Value::Global(name) if matches!(calls::known(name), Some(Callable::Dict))
        );
        self.push(if is_dict {
            Value::Dict(Vec::new())
        } else {
            Value::Opaque
        })
    }

    /// Tells an instance what it is. What a dictionary knows besides its items is not
    /// needed; one of parameters keeps these there.
    fn build(&mut self) -> Result<(), String> {
        if self.top().is_err() {
            return self.drop_top();
        }
        let state = self.pop()?;
        let Ok(instance) = self.top() else {
            return Ok(());
        };
        let kept = match &self.values[state as usize] {
            Value::Dict(pairs) => pairs
                .iter()
                .find(|(key, _)| self.text_of(*key) == Some(calls::PARAMETERS)),
            _ => None,
        };
        let items = match kept.map(|(_, value)| &self.values[*value as usize]) {
            Some(Value::Dict(items)) => items.clone(),
            _ => return Ok(()),
        };
        self.copies(items.len())?;
        if let Value::Dict(own) = &mut self.values[instance as usize] {
            own.extend(items);
        }
        Ok(())
    }

    /// Counts what is copied: a large container could be copied again and again.
    fn copies(&mut self, count: usize) -> Result<(), String> {
        self.copied += count;
        if self.copied > MOST_STEPS {
            return Err("it copies its containers again and again".into());
        }
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        let id = Id::try_from(self.values.len()).map_err(|_| unclear("so many values"))?;
        self.values.push(value);
        self.stack.push(id);
        Ok(())
    }

    /// The value on top, which a mark covers for what is gathered above it.
    fn top(&self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(floor..).and_then(<[Id]>::last);
        top.copied().ok_or_else(ended)
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes the value on top away, or the mark where that lies above.
    fn drop_top(&mut self) -> Result<(), String> {
        if self.top().is_ok() {
            self.stack.pop();
            return Ok(());
        }
        self.marks.pop().map(drop).ok_or_else(ended)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(ended)?;
        if mark > self.stack.len() {
            return Err(ended());
        }
        Ok(self.stack.split_off(mark))
    }

    fn extend(&mut self, more: &[Id]) -> Result<(), String> {
        let list = self.top()?;
        match &mut self.values[list as usize] {
            Value::List(items) => items.extend(more),
            Value::Opaque => {}
            _ => return Err("it appends to something that is no list".into()),
        }
        Ok(())
    }

    fn insert(&mut self, more: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        match &mut self.values[dict as usize] {
            Value::Dict(items) => items.extend(pairs(more)),
            Value::Opaque => {}
            _ => return Err("it adds a key to something that is no dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let known = self.memo.get(&key).copied();
        self.stack
            .push(known.ok_or_else(|| unclear("a value that was not there"))?);
        Ok(())
    }

    fn text_of(&self, id: Id) -> Option<&str> {
        match &self.values[id as usize] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The class of a module that is referred to with its source code, as the older format
/// does; `None` for anything else.
fn module_of(values: &[Value], id: Id) -> Option<Id> {
    let Value::Persistent(key) = values.get(id as usize)? else {
        return None;
    };
    match values.get(*key as usize)? {
        Value::Tuple(parts) => match parts[..] {
            [kind, class, ..] => {
                let kind = values.get(kind as usize)?;
                matches!(kind, Value::Text(kind) if **kind == *MODULE).then_some(class)
            }
            _ => None,
        },
        _ => None,
    }
}

/// A name with the one under which people know it.
fn spoken(name: &str) -> String {
    let known = name
        .strip_prefix("posix.")
        .or_else(|| name.strip_prefix("nt."));
    known.map_or_else(
        || name.to_owned(),
        |function| format!("os.{function} ({name})"),
    )
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

fn ended() -> String {
    "its pickle ends too early".into()
}

fn unclear(what: &str) -> String {
    format!("its pickle is damaged: it has {what}")
}
