//! ONNX models, opened and run.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, SessionInputValue, SessionOutputs};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use crate::error::ModelError;
use crate::folder::ModelFolder;
use crate::runtime;
use crate::search::nearest;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 64-bit integer.
    I64,
}

impl Element {
    fn matches(self, element: TensorElementType) -> bool {
        match self {
            Self::F32 => element == TensorElementType::Float32,
            Self::I64 => element == TensorElementType::Int64,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::I64 => "i64",
        })
    }
}

/// A dimension of an input or output, as the caller needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Always this size: the model must declare it, or leave it open.
    Fixed(usize),
    /// Any size. An input's must be open in the model, under the name given here for messages; an output's may be
    /// anything.
    Open(&'static str),
}

/// An input or output that the caller needs.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    /// Its name in the model.
    pub name: &'a str,
    /// The type of its elements.
    pub element: Element,
    /// Its dimensions, outermost first; empty for a scalar.
    pub shape: &'a [Dimension],
}

impl fmt::Display for Port<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dimensions: Vec<Cow<'_, str>> = self
            .shape
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(size) => size.to_string().into(),
                Dimension::Open(name) => (*name).into(),
            })
            .collect();
        write!(formatter, "{}[{}]", self.element, dimensions.join(", "))
    }
}

/// An input or output as the model declares it.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a>(&'a Outlet);

impl<'a> Declared<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.0.name()
    }

    /// Its dimensions, with -1 for an open one. Empty for a scalar, and for a tensor whose rank is not declared.
    pub fn shape(&self) -> &'a [i64] {
        match self.0.dtype() {
            ValueType::Tensor { shape, .. } => shape,
            _ => &[],
        }
    }

    fn has_element(&self, element: Element) -> bool {
        matches!(self.0.dtype(), ValueType::Tensor { ty, .. } if element.matches(*ty))
    }

    /// Whether the declared dimensions allow those of `port`. Where no rank is declared, a run will tell.
    fn allows(&self, port: &Port<'_>, is_input: bool) -> bool {
        let declared = self.shape();
        declared.is_empty()
            || declared.len() == port.shape.len()
                && declared.iter().zip(port.shape).all(|(declared, needed)| match needed {
                    Dimension::Fixed(size) => *declared < 0 || usize::try_from(*declared) == Ok(*size),
                    Dimension::Open(_) => *declared < 0 || !is_input,
                })
    }
}

impl fmt::Display for Declared<'_> {
    /// As `f32[batch, 40]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ValueType::Tensor { ty, shape, dimension_symbols } = self.0.dtype() else {
            return write!(formatter, "{}", self.0.dtype());
        };
        let dimensions: Vec<Cow<'_, str>> = shape
            .iter()
            .zip(dimension_symbols.iter())
            .map(|(size, symbol)| match (*size < 0, symbol.is_empty()) {
                (false, _) => size.to_string().into(),
                (true, true) => "any".into(),
                (true, false) => symbol.as_str().into(),
            })
            .collect();
        write!(formatter, "{ty}[{}]", dimensions.join(", "))
    }
}

/// A tensor that is given to a model, row-major and borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Tensor<'a> {
    /// 32-bit floating point.
    F32 {
        /// The dimensions, outermost first.
        shape: &'a [usize],
        /// The elements.
        values: &'a [f32],
    },
    /// 64-bit integers.
    I64 {
        /// The dimensions, outermost first.
        shape: &'a [usize],
        /// The elements.
        values: &'a [i64],
    },
}

impl<'a> Tensor<'a> {
    /// A tensor of 32-bit floating point numbers.
    pub fn f32(shape: &'a [usize], values: &'a [f32]) -> Self {
        Self::F32 { shape, values }
    }

    /// A tensor of 64-bit integers.
    pub fn i64(shape: &'a [usize], values: &'a [i64]) -> Self {
        Self::I64 { shape, values }
    }

    fn into_value(self) -> ort::Result<SessionInputValue<'a>> {
        Ok(match self {
            Self::F32 { shape, values } => TensorRef::from_array_view((shape, values))?.into(),
            Self::I64 { shape, values } => TensorRef::from_array_view((shape, values))?.into(),
        })
    }
}

impl fmt::Display for Tensor<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 { shape, .. } => write!(formatter, "f32{shape:?}"),
            Self::I64 { shape, .. } => write!(formatter, "i64{shape:?}"),
        }
    }
}

/// An ONNX model that is ready to run.
pub struct Session {
    session: ort::session::Session,
    options: Arc<RunOptions>,
    path: PathBuf,
    identity: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a model of a folder to run on `threads` threads.
    ///
    /// Threads wait without spinning, since other nodes want the cores. Operators run in sequence and kernels are
    /// deterministic, so that the same input gives the same bytes.
    ///
    /// # Errors
    ///
    /// As [`ModelFolder::identity`]; [`load_runtime`](crate::load_runtime) was not called; ONNX Runtime refuses the model.
    pub fn open(folder: &ModelFolder, file: &str, threads: usize) -> Result<Self, ModelError> {
        let (environment, library) = runtime::environment()?;
        let path = folder.file(file)?;
        // Before the model is opened, since this checks the weights beside it as well.
        let identity = folder.identity(file)?;
        folder.runs_on(&library);
        let session = configure(ort::session::Session::builder(&environment), threads)
            .and_then(|mut builder| builder.commit_from_file(&path))
            .map_err(|error| ModelError::Open { path: path.clone(), error: error.to_string() })?;
        let options = RunOptions::new()
            .map_err(|error| ModelError::Open { path: path.clone(), error: error.to_string() })?;
        Ok(Self { session, options: Arc::new(options), path, identity })
    }

    /// What the model is called in messages; see [`ModelFolder::identity`].
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The inputs that the model declares.
    pub fn inputs(&self) -> impl Iterator<Item = Declared<'_>> {
        self.session.inputs().iter().map(Declared)
    }

    /// The outputs that the model declares.
    pub fn outputs(&self) -> impl Iterator<Item = Declared<'_>> {
        self.session.outputs().iter().map(Declared)
    }

    /// The input called `name`, if the model has it.
    pub fn input(&self, name: &str) -> Option<Declared<'_>> {
        self.inputs().find(|input| input.name() == name)
    }

    /// The name of the model's only input, or `name` if it has several.
    pub fn only_input_or<'a>(&'a self, name: &'a str) -> &'a str {
        only_or(self.session.inputs(), name)
    }

    /// The name of the model's only output, or `name` if it has several.
    pub fn only_output_or<'a>(&'a self, name: &'a str) -> &'a str {
        only_or(self.session.outputs(), name)
    }

    /// Compares the model with what the caller needs: each input and output by name, element type and shape, and no
    /// further input. Further outputs do no harm.
    ///
    /// # Errors
    ///
    /// Names the first input or output that differs, what it is, and what it should be.
    pub fn check(&self, inputs: &[Port<'_>], outputs: &[Port<'_>]) -> Result<(), ModelError> {
        self.check_ports("input", self.session.inputs(), inputs)?;
        self.check_outputs(outputs)?;
        match self.inputs().find(|input| inputs.iter().all(|port| port.name != input.name())) {
            None => Ok(()),
            Some(unfed) => Err(ModelError::UnfedInput {
                path: self.path.clone(),
                name: unfed.name().to_owned(),
                declared: unfed.to_string(),
                given: inputs.iter().map(|port| port.name).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Compares outputs of the model with what the caller needs, as [`Session::check`] does.
    ///
    /// # Errors
    ///
    /// As [`Session::check`].
    pub fn check_outputs(&self, outputs: &[Port<'_>]) -> Result<(), ModelError> {
        self.check_ports("output", self.session.outputs(), outputs)
    }

    fn check_ports(
        &self,
        kind: &'static str,
        declared: &[Outlet],
        needed: &[Port<'_>],
    ) -> Result<(), ModelError> {
        for port in needed {
            let Some(found) = declared.iter().map(Declared).find(|found| found.name() == port.name) else {
                return Err(self.missing_port(kind, declared, port.name));
            };
            if !found.has_element(port.element) || !found.allows(port, kind == "input") {
                return Err(ModelError::WrongPort {
                    path: self.path.clone(),
                    kind,
                    name: port.name.to_owned(),
                    expected: port.to_string(),
                    declared: found.to_string(),
                });
            }
        }
        Ok(())
    }

    fn missing_port(&self, kind: &'static str, declared: &[Outlet], name: &str) -> ModelError {
        let present: Vec<String> =
            declared.iter().map(|outlet| format!("{}: {}", outlet.name(), Declared(outlet))).collect();
        ModelError::MissingPort {
            path: self.path.clone(),
            kind,
            name: name.to_owned(),
            present: present.join(", "),
            suggestion: nearest(name, declared.iter().map(Outlet::name)),
        }
    }

    /// Runs the model on named tensors, which are not copied.
    ///
    /// # Errors
    ///
    /// A tensor whose shape does not fit its length or the model; a failure inside the model.
    pub fn run(&mut self, inputs: &[(&str, Tensor<'_>)]) -> Result<Outputs<'_>, ModelError> {
        let Self { session, options, path, .. } = self;
        let values: ort::Result<Vec<(Cow<'_, str>, SessionInputValue<'_>)>> =
            inputs.iter().map(|(name, tensor)| Ok((Cow::Borrowed(*name), tensor.into_value()?))).collect();
        let options: &RunOptions = options;
        match values.and_then(|values| session.run_with_options(values, options)) {
            Ok(outputs) => Ok(Outputs { outputs, path }),
            Err(error) => {
                let inputs: Vec<String> =
                    inputs.iter().map(|(name, tensor)| format!("{name}: {tensor}")).collect();
                Err(ModelError::Run {
                    path: path.clone(),
                    inputs: inputs.join(", "),
                    error: error.to_string(),
                })
            }
        }
    }

    /// Ends the run in progress, and each that is begun before [`Session::allow`], with an error; from any thread.
    pub fn stop(&self) -> impl Fn() + Send + 'static {
        let options = self.options.clone();
        move || {
            if let Err(error) = options.terminate() {
                tracing::warn!("a run of a model that nobody needs any more goes on: {error}");
            }
        }
    }

    /// Lets runs begin again after [`Session::stop`].
    ///
    /// # Errors
    ///
    /// ONNX Runtime fails.
    pub fn allow(&self) -> Result<(), ModelError> {
        self.options.unterminate().map_err(|error| ModelError::Run {
            path: self.path.clone(),
            inputs: String::new(),
            error: error.to_string(),
        })
    }

    /// Runs the model and forgets the result, so that the first real run is not slower than the others: ONNX Runtime
    /// plans its memory in the first run of a shape and uses the plan from the second on.
    ///
    /// # Errors
    ///
    /// As [`Session::run`].
    pub fn warm_up(&mut self, inputs: &[(&str, Tensor<'_>)]) -> Result<(), ModelError> {
        for _ in 0..2 {
            self.run(inputs)?;
        }
        Ok(())
    }
}

fn only_or<'a>(outlets: &'a [Outlet], name: &'a str) -> &'a str {
    match outlets {
        [only] => only.name(),
        _ => name,
    }
}

fn configure(builder: ort::Result<SessionBuilder>, threads: usize) -> ort::Result<SessionBuilder> {
    Ok(builder?
        .with_config_entry("session.x64quantprecision", if multiplies_bytes_exactly() { "0" } else { "1" })?
        .with_log_level(LogLevel::Warning)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(false)?
        .with_parallel_execution(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_deterministic_compute(true)?)
}

/// Whether the processor adds up products of 8-bit integers in 32 bits (VNNI). Those without would cut sums off at 16, and
/// ONNX Runtime must be told to take a slower way, which gives the same numbers.
fn multiplies_bytes_exactly() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        true
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Outputs<'s> {
    outputs: SessionOutputs<'s>,
    path: &'s Path,
}

impl Outputs<'_> {
    /// The dimensions and the elements of an output of 32-bit floating point numbers.
    ///
    /// # Errors
    ///
    /// The model has no such output, or it has another element type.
    pub fn f32(&self, name: &str) -> Result<(&[i64], &[f32]), ModelError> {
        let problem = |problem: String| self.problem(name, problem);
        let value = self.outputs.get(name).ok_or_else(|| {
            let present: Vec<&str> = self.outputs.keys().collect();
            problem(format!("the model has only {}", present.join(", ")))
        })?;
        let (shape, values) =
            value.try_extract_tensor::<f32>().map_err(|error| problem(error.to_string()))?;
        Ok((shape, values))
    }

    /// An error about what the output `name` holds.
    pub fn problem(&self, name: &str, problem: String) -> ModelError {
        ModelError::Output { path: self.path.to_owned(), name: name.to_owned(), problem }
    }
}
